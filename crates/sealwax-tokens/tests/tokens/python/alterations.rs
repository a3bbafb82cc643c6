//! Records and texts that the page refuses, and those next to them that it does not, with what it says of each.

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax_tokens::{Prefix, Record};
use sha2::{Digest, Sha256};

use crate::format::{OLD, existing};
use crate::given::{Fields, NOW, Parts, expand, grant, issue, under, with_part};
use crate::python::ring;

/// A line, what is in it, and what the page says of it.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) record: String,
    pub(super) token: String,
    pub(super) expected: &'static str,
}

impl Line {
    pub(super) fn new(name: &str, record: &str, token: &str, expected: &'static str) -> Self {
        let (name, record, token) = (name.into(), record.into(), token.into());
        Self { name, record, token, expected }
    }
}

/// Returns a record with other claims, which has no right MAC yet.
pub(super) fn altered(record: &Record, alter: impl Fn(&mut Fields)) -> Parts {
    let parts = Parts::of(record);
    let mut fields = Fields::of(&parts.claims);
    alter(&mut fields);
    Parts { claims: fields.encode(), ..parts }
}

pub(super) type Alteration = (&'static str, fn(&mut Fields), &'static str);

/// Makes a line of each alteration of the claims, under a right MAC, and one under the MAC from before.
pub(super) fn lines_of(alterations: &[Alteration]) -> Vec<Line> {
    let (token, record) = issue(&under(&ring()), grant());
    let mut lines = Vec::new();
    for (name, alter, expected) in alterations {
        let altered = altered(&record, alter);
        assert_ne!(altered.text(), record.to_string(), "{name}");
        let name_before = format!("{name}, under the MAC from before");
        lines.push(Line::new(&name_before, &altered.text(), &token, "altered"));
        lines.push(Line::new(name, &altered.signed(0).to_string(), &token, expected));
    }
    lines
}

pub(super) const CLAIMS: [Alteration; 63] = [
    ("version 0", |f| f.version = 0, "altered"),
    ("version 2", |f| f.version = 2, "altered"),
    ("scheme 1", |f| f.scheme = 1, "unknown"),
    ("scheme 1 with a salt", |f| (f.scheme, f.salt) = (1, b"s".into()), "altered"),
    ("scheme 2", |f| f.scheme = 2, "altered"),
    ("scheme 2 with a salt", |f| (f.scheme, f.salt) = (2, b"s".into()), "unknown"),
    ("scheme 3 with a long salt", |f| (f.scheme, f.salt) = (3, vec![7; 64]), "unknown"),
    ("scheme 3 with a longer salt", |f| (f.scheme, f.salt) = (3, vec![7; 65]), "altered"),
    ("scheme 4", |f| f.scheme = 4, "altered"),
    ("scheme 4 with a salt", |f| (f.scheme, f.salt) = (4, b"s".into()), "altered"),
    ("a salt for scheme 0", |f| f.salt = b"s".into(), "altered"),
    ("rotated in", |f| f.state = 1, "ok"),
    ("rotated out", |f| f.state = 2, "ok"),
    ("spent", |f| f.state = 3, "spent"),
    ("revoked", |f| f.state = 4, "revoked"),
    ("state 5", |f| f.state = 5, "altered"),
    ("for tests", |f| f.mode = 0, "wrong_mode"),
    ("mode 2", |f| f.mode = 2, "altered"),
    ("for one use", |f| f.single_use = 1, "wrong_use"),
    ("single use 2", |f| f.single_use = 2, "altered"),
    ("single use 7", |f| f.single_use = 7, "altered"),
    ("another id", |f| f.id = [0; 16], "ok"),
    ("valid from now", |f| f.not_before = NOW, "ok"),
    ("valid from later", |f| f.not_before = NOW + 1, "not_yet"),
    ("valid until now", |f| f.expires = NOW, "expired"),
    ("valid until later", |f| f.expires = NOW + 1, "ok"),
    ("valid never", |f| (f.not_before, f.expires) = (NOW + 1, NOW), "not_yet"),
    ("the last start", |f| f.not_before = 100_000_000_000, "not_yet"),
    ("the last end", |f| f.expires = 100_000_000_000, "ok"),
    ("no subject", |f| f.subject.clear(), "altered"),
    ("a long subject", |f| f.subject = vec![b' '; 255], "ok"),
    ("a line feed in the subject", |f| f.subject = b"a\n".into(), "altered"),
    ("a DEL in the subject", |f| f.subject = b"a\x7f".into(), "altered"),
    ("a C1 control in the subject", |f| f.subject = "\u{85}a".into(), "altered"),
    ("the last control in the subject", |f| f.subject = "\u{9f}".into(), "altered"),
    ("no control in the subject", |f| f.subject = "\u{a0}\u{2028}é".into(), "ok"),
    ("a subject that is not UTF-8", |f| f.subject = vec![0xff], "altered"),
    ("a surrogate in the subject", |f| f.subject = vec![0xed, 0xa0, 0x80], "altered"),
    ("no scope", |f| f.scopes.clear(), "altered"),
    ("32 scopes", |f| f.scopes = scopes(32), "ok"),
    ("33 scopes", |f| f.scopes = scopes(33), "altered"),
    ("255 scopes", |f| f.scopes = scopes(255), "altered"),
    ("another scope alone", |f| f.scopes = vec![b"write".into()], "scope"),
    ("longer and shorter scopes", |f| f.scopes = vec![b"rea".into(), b"reads".into()], "scope"),
    ("a scope twice", |f| f.scopes = vec![b"read".into(); 2], "altered"),
    ("unsorted scopes", |f| f.scopes.reverse(), "altered"),
    ("an empty scope", |f| f.scopes[0].clear(), "altered"),
    ("a long scope", |f| f.scopes.push(vec![b'~'; 64]), "ok"),
    ("a longer scope", |f| f.scopes.push(vec![b'~'; 65]), "altered"),
    ("the first of the characters", |f| f.scopes.insert(0, b"!".into()), "ok"),
    ("a scope with a space", |f| f.scopes.insert(0, b" ".into()), "altered"),
    ("a scope with a DEL", |f| f.scopes.push(vec![0x7f]), "altered"),
    ("a scope that is not UTF-8", |f| f.scopes.push(vec![0xff]), "altered"),
    ("a scope that is not ASCII", |f| f.scopes.push("é".into()), "altered"),
    ("no hint", |f| f.hint.clear(), "ok"),
    ("a hint of three", |f| f.hint.truncate(3), "altered"),
    ("a hint of five", |f| f.hint.push(b'a'), "altered"),
    ("a hint of other characters", |f| f.hint = b"ab_c".into(), "altered"),
    // The order of the steps.
    ("not the token's, and for tests", |f| (f.scheme, f.mode) = (1, 0), "unknown"),
    ("for tests, and revoked", |f| (f.mode, f.state) = (0, 4), "wrong_mode"),
    ("spent, and for one use", |f| (f.state, f.single_use) = (3, 1), "spent"),
    ("for one use, and over", |f| (f.single_use, f.expires) = (1, 0), "wrong_use"),
    ("over, and for another scope", |f| (f.expires, f.scopes) = (0, vec![b"x".into()]), "expired"),
];

/// What is redeemed, and not verified.
pub(super) const REDEEMED: [Alteration; 6] = [
    ("for one use", |f| f.single_use = 1, "ok"),
    ("for more", |f| f.id = [0; 16], "wrong_use"),
    ("for more, and over", |f| f.expires = 0, "wrong_use"),
    ("for more, and revoked", |f| f.state = 4, "revoked"),
    ("for one use, and spent", |f| (f.single_use, f.state) = (1, 3), "spent"),
    ("for one use, and over", |f| (f.single_use, f.expires) = (1, NOW), "expired"),
];

/// Times that only a later version would write: seconds after the year 5138, or milliseconds.
pub(super) const TIMES: [Alteration; 8] = [
    ("a start after the last", |f| f.not_before = 100_000_000_001, "altered"),
    ("a start in milliseconds", |f| f.not_before = NOW * 1000, "altered"),
    ("a start of the highest byte alone", |f| f.not_before = 1 << 56, "altered"),
    ("a start that never is", |f| f.not_before = u64::MAX, "altered"),
    ("an end after the last", |f| f.expires = 100_000_000_001, "altered"),
    ("an end in milliseconds", |f| f.expires = NOW * 1000, "altered"),
    ("an end of the highest byte alone", |f| f.expires = 1 << 56, "altered"),
    ("an end before never", |f| f.expires = u64::MAX - 1, "altered"),
];

/// Returns scopes, one of which is asked for.
fn scopes(n: usize) -> Vec<Vec<u8>> {
    let mut scopes: Vec<Vec<u8>> = (1..n).map(|n| format!("q{n:03}").into()).collect();
    scopes.push(b"read".into());
    scopes
}

/// Claims that are cut off anywhere, or that something follows, under a right MAC.
pub(super) fn lengths() -> Vec<Line> {
    let (token, record) = issue(&under(&ring()), grant());
    let salted = altered(&record, |f| (f.scheme, f.salt) = (2, b"salt".into()));
    let mut lines = Vec::new();
    for (name, parts) in [("scheme 0", Parts::of(&record)), ("scheme 2", salted)] {
        let right = parts.claims.len();
        for len in (0..right).chain(right + 1..right + 9) {
            let mut parts = parts.clone();
            parts.claims.resize(len, 0);
            let (name, record) = (format!("{name}, {len} bytes"), parts.signed(0).to_string());
            lines.push(Line::new(&name, &record, &token, "altered"));
        }
    }
    lines
}

type Place = fn(&mut Parts) -> &mut Vec<u8>;

/// Records whose text is not that of a record, or is under another pepper.
pub(super) fn texts() -> Vec<Line> {
    let (token, record) = issue(&under(&ring()), grant());
    let text = record.to_string();
    let parts: Vec<&str> = text.split(':').collect();
    let with = |at: usize, part: &str| with_part(&text, at, part);
    let line = |name: &str, text: &str, expected| Line::new(name, text, &token, expected);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut lines = vec![
        line("the record", &text, "ok"),
        line("nothing", "", "altered"),
        line("a token", &token, "altered"),
        line("another program's row", "$2b$12$abcdefghijklmnopqrstuv", "altered"),
        line("colons", "::::", "altered"),
        line("six parts", &format!("{text}:"), "altered"),
        line("a seventh part", &format!("{text}:a:b"), "altered"),
        line("a part before", &format!(":{text}"), "altered"),
        line("a tab before", &format!("\t{text}"), "altered"),
        line("a carriage return after", &format!("{text}\r"), "altered"),
        line("swt2", &with(0, "swt2"), "altered"),
        line("swt10", &with(0, "swt10"), "altered"),
        line("SWT1", &with(0, "SWT1"), "altered"),
        line("another pepper", &with(1, "tokens-2025"), "altered"),
        line("an unknown pepper", &with(1, "tokens-2027"), "pepper"),
        line("a disabled pepper", &with(1, "tokens-2024"), "pepper"),
        line("a disabled pepper without a key", &with(1, "tokens-2023"), "pepper"),
        line("a pepper in capitals", &with(1, "TOKENS-2026"), "pepper"),
        line("a pepper of every character", &with(1, "0aZ._-/@"), "pepper"),
        line("a long pepper", &with(1, &"a".repeat(128)), "pepper"),
        line("a longer pepper", &with(1, &"a".repeat(129)), "altered"),
        line("a pepper with a dash before", &with(1, "-tokens-2026"), "altered"),
        line("a pepper outside ASCII", &with(1, "tokens-2026é"), "altered"),
        line("a pepper with a plus", &with(1, "tokens+2026"), "altered"),
        line("a key as the pepper", &with(1, "a.SwH1_a"), "altered"),
        line("a key of two letters as the pepper", &with(1, "swkt1_"), "altered"),
        line("nearly a key as the pepper", &with(1, "sw1_swabc1_swk2_sw11_"), "pepper"),
    ];
    for (at, part) in parts.iter().enumerate() {
        let name = ["version", "pepper", "digest", "claims", "mac"][at];
        let mut add = |what: &str, part: &str, expected| {
            lines.push(line(&format!("{name}: {what}"), &with(at, part), expected));
        };
        add("empty", "", "altered");
        add("twice", &format!("{part}:{part}"), "altered");
        // Without its last character, an id is still an id.
        add("cut", &part[..part.len() - 1], if at == 1 { "pepper" } else { "altered" });
        add("cut to one", &part[..1], if at == 1 { "pepper" } else { "altered" });
        add("padded", &format!("{part}="), "altered");
        add("padded twice", &format!("{part}=="), "altered");
        add("longer", &format!("{part}A"), if at == 1 { "pepper" } else { "altered" });
        add("four longer", &format!("{part}AAAA"), if at == 1 { "pepper" } else { "altered" });
        add("a NUL after", &format!("{part}\0"), "altered");
        if at > 1 {
            let (front, last) = part.split_at(part.len() - 1);
            let next = alphabet.find(last).unwrap() + 1;
            add("bits behind the end", &format!("{front}{}", &alphabet[next..=next]), "altered");
            add("standard base64", &format!("+{}", &part[1..]), "altered");
            add("a slash", &format!("/{}", &part[1..]), "altered");
            add("a character that is none", &format!("{part}!"), "altered");
            add("zeros", &"A".repeat(part.len()), "altered");
        }
    }
    let places: [(&str, Place); 3] =
        [("digest", |p| &mut p.digest), ("claims", |p| &mut p.claims), ("mac", |p| &mut p.mac)];
    for (name, place) in places {
        let mut parts = Parts::of(&record);
        *place(&mut parts).first_mut().unwrap() ^= 0x80;
        lines.push(line(&format!("{name}: the first bit"), &parts.text(), "altered"));
        let mut parts = Parts::of(&record);
        *place(&mut parts).last_mut().unwrap() ^= 1;
        lines.push(line(&format!("{name}: the last bit"), &parts.text(), "altered"));
    }
    // Whether it can be a record is seen before the pepper is searched for.
    for (at, name) in [(2, "digest"), (4, "mac")] {
        for len in [31, 33] {
            let part = Base64UrlUnpadded::encode_string(&vec![7; len]);
            let text = with(at, &part).replacen("tokens-2026", "tokens-2027", 1);
            lines.push(line(&format!("{name}: {len} bytes, an unknown pepper"), &text, "altered"));
        }
    }
    for (len, expected) in [(0, "pepper"), (2444, "pepper"), (2445, "altered"), (9999, "altered")] {
        let claims = Base64UrlUnpadded::encode_string(&vec![7; len]);
        let text = with(3, &claims).replacen("tokens-2026", "tokens-2027", 1);
        lines.push(line(&format!("claims: {len} bytes, an unknown pepper"), &text, expected));
    }
    lines
}

/// Texts that are no tokens, or not this one. What is said depends on whether tokens of another program are accepted too.
pub(super) fn tokens(accepts_existing: bool) -> Vec<Line> {
    let (token, record) = issue(&under(&ring()), grant());
    let record = record.to_string();
    let (another, _) = issue(&under(&ring()), grant());
    let body = "k".repeat(43);
    let mut lines = Vec::new();
    let mut add = |name: &str, text: &str, expected, expected_of_existing| {
        let expected = if accepts_existing { expected_of_existing } else { expected };
        lines.push(Line::new(&format!("token: {name}"), &record, text, expected));
    };
    add("the token", &token, "ok", "ok");
    add("another token", &another, "unknown", "unknown");
    add("nothing", "", "malformed", "malformed");
    add("a space before", &format!(" {token}"), "malformed", "unknown");
    add("a carriage return before", &format!("\r{token}"), "malformed", "unknown");
    add("twice", &format!("_{token}{token}"), "malformed", "unknown");
    add("a space", " ", "malformed", "unknown");
    add("an old token", OLD, "malformed", "unknown");
    add("outside ASCII", "é", "malformed", "unknown");
    add("1024 bytes", &"é".repeat(512), "malformed", "unknown");
    add("1025 bytes", &format!("{}a", "é".repeat(512)), "malformed", "malformed");
    for prefix in ["acme_test_", "acme_live_live_", "acme_", "a_", "A1__", &long_prefix(32)] {
        let other = checked(&format!("{prefix}{body}"));
        assert!(prefix.parse::<Prefix>().is_ok());
        add(&format!("the prefix {prefix}"), &other, "wrong_mode", "wrong_mode");
    }
    for prefix in ["", "_", "a", "1a_", "a-b_", "é_", "a_\u{660}_", &long_prefix(33)] {
        let other = checked(&format!("{prefix}{body}"));
        assert!(prefix.parse::<Prefix>().is_err());
        add(&format!("no prefix: {prefix}"), &other, "malformed", "unknown");
    }
    for at in 0..10 {
        add(&format!("a typo at {at}"), &mistyped(&token, at), "malformed", "unknown");
    }
    for len in 1..10 {
        add(&format!("cut to {len}"), &token[..len], "malformed", "unknown");
    }
    lines
}

/// Texts that begin with the prefix, as a token that was mistyped or another program's may.
pub(super) fn texts_with_the_prefix(accepts_existing: bool) -> Vec<Line> {
    let (token, record) = issue(&under(&ring()), grant());
    let record = record.to_string();
    let mut texts = Vec::new();
    texts.extend((10..token.len()).map(|at| (format!("a typo at {at}"), mistyped(&token, at))));
    texts.extend((10..token.len()).map(|len| (format!("cut to {len}"), token[..len].into())));
    let after = [" ", " x", "\r", "\t", "=", "0", "é"];
    texts.extend(after.map(|after| (format!("{after:?} after"), format!("{token}{after}"))));
    let body = "k".repeat(43);
    for other in ["-", "_", "/", ":", "@", "[", "`", "{", " ", "\u{7f}", "\u{660}"] {
        let text = checked(&format!("acme_live_{}", body.replacen('k', other, 1)));
        texts.push((format!("{other:?} in a token"), text));
    }
    for len in [42, 44] {
        let text = checked(&format!("acme_live_{}", "k".repeat(len)));
        texts.push((format!("{len} characters"), text));
    }
    let expected = if accepts_existing { "unknown" } else { "malformed" };
    texts.iter().map(|(name, text)| Line::new(name, &record, text, expected)).collect()
}

/// Old tokens that begin with the prefix, in each scheme, with the record that their conversion would have.
pub(super) fn old_tokens_with_the_prefix() -> Vec<Line> {
    let mut lines = Vec::new();
    for token in ["acme_live_old", "acme_live_", &format!("acme_live_{}", "0".repeat(49))] {
        for (kind, existing) in existing() {
            let converted = under(&ring()).convert(&existing, grant()).unwrap().record;
            let mut parts = Parts::of(&converted);
            let Fields { scheme, salt, .. } = Fields::of(&parts.claims);
            parts.digest = digest(scheme, &salt, token).into();
            let record = parts.signed(0).to_string();
            lines.push(Line::new(&format!("{token}, {kind}"), &record, token, "ok"));
            let another = format!("{token}0");
            lines.push(Line::new(&format!("{another}, {kind}"), &record, &another, "unknown"));
        }
    }
    lines
}

fn digest(scheme: u8, salt: &[u8], token: &str) -> [u8; 32] {
    let token = token.as_bytes();
    let old = match scheme {
        0 => return expand(0, &[b"swt1/token", token].concat()),
        1 => Sha256::digest(token),
        2 => Sha256::digest([salt, token].concat()),
        _ => Sha256::digest([token, salt].concat()),
    };
    expand(0, &[b"swt1/legacy", &[scheme, salt.len() as u8][..], salt, &old].concat())
}

fn mistyped(token: &str, at: usize) -> String {
    let other = if &token[at..=at] == "0" { "1" } else { "0" };
    [&token[..at], other, &token[at + 1..]].concat()
}

fn long_prefix(len: usize) -> String {
    format!("{}_", "a".repeat(len - 1))
}

/// Appends the checksum, by a second implementation of the page.
fn checked(text: &str) -> String {
    let of_byte = |crc: u32, byte: u8| {
        let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0xedb8_8320 } else { 0 };
        (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc))
    };
    let mut left = !text.bytes().fold(u32::MAX, of_byte);
    let alphabet = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut check = [0; 6];
    for digit in check.iter_mut().rev() {
        *digit = alphabet[(left % 62) as usize];
        left /= 62;
    }
    format!("{text}{}", str::from_utf8(&check).unwrap())
}
