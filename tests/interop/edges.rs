//! The limits of the format page, each from both sides, and what stands close to them.

use sealwax::{EncryptionContext, Keyring, Secret};

use crate::outcome::Question;
use crate::rows::{Form, Key};

type Pairs = Vec<(String, String)>;

fn key(number: u8) -> String {
    let mut bytes = [number; 32];
    bytes[31] = !number;
    Key::of("any", &bytes).text
}

/// The key of all envelopes below.
fn keyring() -> String {
    format!("primary k1 {}", key(1))
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn acme() -> Pairs {
    pairs(&[("tenant", "acme")])
}

fn context(pairs: &Pairs) -> Option<EncryptionContext> {
    EncryptionContext::new(pairs.iter().map(|(name, value)| (name, value))).ok()
}

fn sealed(plaintext: &[u8], context: &EncryptionContext) -> String {
    let ring: Keyring = keyring().parse().unwrap();
    ring.seal(&Secret::from(plaintext), context).unwrap().to_string()
}

fn of_acme() -> String {
    sealed(b"sk-1", &context(&acme()).unwrap())
}

pub(crate) fn all() -> Vec<Question> {
    let envelope = |envelope| Question { envelope, keyring: keyring(), pairs: acme() };
    let envelopes = versions().into_iter().chain(wraps()).chain(sizes()).map(envelope);
    let text = of_acme();
    let keyrings = keyrings().into_iter().map(|keyring| Question {
        envelope: Form::Text(text.clone()),
        keyring,
        pairs: acme(),
    });
    // Sealed for the context itself, if there is such a one.
    let contexts = contexts().into_iter().map(|pairs| Question {
        envelope: Form::Text(context(&pairs).map_or(text.clone(), |it| sealed(b"sk-1", &it))),
        keyring: keyring(),
        pairs,
    });
    envelopes.chain(keyrings).chain(contexts).collect()
}

fn versions() -> Vec<Form> {
    let text = of_acme();
    let rest = text.strip_prefix("sw1:").unwrap();
    let long = format!("sw{}:", "9".repeat(40));
    #[rustfmt::skip]
    let prefixes = [
        "sw1:", "sw2:", "sw0:", "sw01:", "sw10:", "sw4294967296:", &long, "sw:", "sw1",
        "sw\u{ff11}:", "sw\u{ff12}:", "sw\u{b2}:", "sw-1:", "sw+2:", "sw2.0:", "sw2a:", "SW1:",
        "SW2:", " sw1:", " sw2:", "sw1 :", "sw 2:", "\u{feff}sw1:", "\u{feff}sw2:", "\nsw2:", "",
    ];
    let whole = prefixes.iter().map(|prefix| format!("{prefix}{rest}"));
    let cut = ["", "s", "sw", "sw1", "sw2", "sw1:", "sw2:", "sw3:::::", "sw1::::::"];
    let texts = whole.chain(cut.map(str::to_owned)).map(Form::Text);
    let bytes = ["", "S", "SW", "SW\u{1}", "SW\u{2}", "SW\0", "SW\u{1}\u{1}", "SW1", "sw\u{2}"];
    texts.chain(bytes.map(|bytes| Form::Binary(bytes.into()))).collect()
}

/// The envelope with one more wrap, or several, before its own.
fn wraps() -> Vec<Form> {
    let text = of_acme();
    let many = |count: u8| (1..count).map(|n| format!("x{n}=AgA")).collect::<Vec<_>>().join(",");
    let id = |len: usize| format!("{}=AgA", "x".repeat(len));
    // Kind 02 and zeros. 65,535 bytes are 87,380 characters.
    let body = |len: usize| format!("x=Ag{}", "A".repeat(len - 2));
    #[rustfmt::skip]
    let more = [
        many(8), many(9), id(1), id(128), id(129), id(255), id(256), body(87_380), body(87_382),
        "=AgA".into(), "x".into(), "x=".into(), "x=Ag".into(), "x=AAA".into(), "x=AgA=".into(),
        "x=AgB".into(), "x=AgA=AgA".into(), "x=A".into(), "x=AgAAA".into(), "x=Ag A".into(),
        "x=Ag+A".into(), "x=Ag/A".into(), "x=Agé".into(), "-x=AgA".into(), "x:=AgA".into(),
        "é=AgA".into(), "x\n=AgA".into(), "k1=AgA".into(), "K1=AgA".into(), "x=AwA".into(),
        "x=BAA".into(), "x=fwA".into(), "x=gAA".into(), "x=_wA".into(), "swk1_=AgA".into(),
        String::new(),
    ];
    let with = |more| text.replacen("a256gcm:", &format!("a256gcm:{more},"), 1);
    let mut forms: Vec<_> = more.iter().map(with).map(Form::Text).collect();
    // No wrap at all, and two commas.
    let (front, rest) = text.split_at("sw1:a256gcm:".len());
    let (_, tail) = rest.split_once(':').unwrap();
    forms.push(Form::Text(format!("{front}:{tail}")));
    forms.push(Form::Text(format!("{front},{rest}")));
    forms.push(Form::Text(text.replacen(':', ",:", 2)));
    // Another suite's name.
    for suite in ["c20p", "A256GCM", "a256gcm ", "", "toString", "01"] {
        forms.push(Form::Text(text.replacen("a256gcm", suite, 1)));
    }
    forms
}

/// The largest ciphertext, and one byte more: its last group of four had two characters.
fn sizes() -> Vec<Form> {
    let mut largest = sealed(&vec![0; 16_777_216], &context(&acme()).unwrap());
    let at = largest.len() - 100;
    let other = if largest[at..].starts_with('A') { "B" } else { "A" };
    // Altered, because an answer of 16 MiB would tell no more.
    largest.replace_range(at..=at, other);
    let larger = format!("{largest}A");
    vec![Form::Text(largest), Form::Text(larger)]
}

fn keyrings() -> Vec<String> {
    let [a, b, c] = [1, 2, 3].map(key);
    // A checksum that is right, and 32 times the byte 07.
    let weak = "swk1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwe0GQzF";
    let cut = &a[..52];
    let mistyped = format!("{cut}{}", if a.ends_with('A') { 'B' } else { 'A' });
    let later = a.replacen("swk1_", "swk2_", 1);
    let many = |state: &str, count: usize| {
        (0..count).map(|n| format!("{state} x{n} {b}\n")).collect::<String>()
    };
    let gone = |count: usize| (0..count).map(|n| format!("disabled x{n};")).collect::<String>();
    vec![
        format!("primary k1 {a}"),
        format!(" \tprimary  k1\t \t{a} \t"),
        format!("primary k1 {a}\r\n"),
        format!("primary k1 {a}\r"),
        format!("primary k1 {a} \r\n"),
        format!("\n\n# c\n#\r\n \t# c; primary k1 {b}\nprimary k1 {a}\n\n"),
        format!("# \u{a0}\u{feff}\r#\u{2028}\nprimary k1 {a}"),
        format!(";; \t;primary k1 {a};;"),
        format!("primary k1 {a};retired k2 {b} ; escrow k3 {c}"),
        format!("retired k2 {b}\nprimary k1 {a}"),
        format!("retired k1 {a}\nprimary k2 {b}"),
        format!("escrow k1 {a};primary k2 {b}"),
        format!("disabled k1;primary k2 {b}"),
        format!("disabled k1 {a};primary k2 {b}"),
        format!("destroyed k1; primary k2 {b}"),
        format!("destroyed k1 {a}; primary k2 {b}"),
        format!("primary k1 {a};retired k2 {a}"),
        format!("primary k1 {b}"),
        format!("primary K1 {a}"),
        format!("primary k2 {b}"),
        format!("{}primary k1 {a}", many("escrow", 7)),
        format!("{}primary k1 {a}", many("escrow", 8)),
        format!("{}primary k1 {a}", many("retired", 1_023)),
        format!("{}primary k1 {a}", many("retired", 1_024)),
        format!("{}primary k1 {a}", gone(1_023)),
        format!("{}primary k1 {a}", gone(1_024)),
        String::new(),
        " \n\t\r\n;".to_owned(),
        format!("# primary k1 {a}"),
        format!("retired k1 {a}"),
        format!("primary k1 {a};primary k2 {b}"),
        format!("primary k1 {a};primary k1 {a}"),
        "primary".to_owned(),
        "primary k1".to_owned(),
        format!("primary {a}"),
        format!("primary {a} k1"),
        format!("primary {a} {a}"),
        format!("primary xswk1_ {a}"),
        format!("primary k1 {a} {a}"),
        format!("primary k1 {a};disabled"),
        format!("primary k1 {a};destroyed k2 {b} {b}"),
        format!("primary k1 {a};disabled k2 k3"),
        format!("primary k1 {a};disabled k2 {mistyped}"),
        format!("primary k1 {a};destroyed k2 {weak}"),
        format!("primary k1 {a};disabled {b}"),
        format!("Primary k1 {a}"),
        format!("active k1 {a}"),
        format!("k1 {a}"),
        format!("primary -k1 {a}"),
        format!("primary k:1 {a}"),
        format!("primary ké {a}"),
        format!("primary {} {a}", "k".repeat(129)),
        format!("primary k1 {a};retired k1 {b}"),
        format!("primary k1 {a};retired K1 {b}"),
        format!("primary k1 {a};disabled K1"),
        format!("primary k1 {a};retired x {b};destroyed X"),
        format!("primary k1 {a} # c"),
        format!("primary k1 {a};# c"),
        format!("primary k1 {a}#"),
        format!("\u{feff}primary k1 {a}"),
        format!("\u{feff}# c\nprimary k1 {a}"),
        format!("primary\u{a0}k1 {a}"),
        format!("primary k1 {a}\r\r\n"),
        format!("primary k1 {a}\r \n"),
        format!("\rprimary k1 {a}"),
        format!("primary k1 {a}\u{b}"),
        format!("\u{c}primary k1 {a}"),
        format!("primary k1 {a}\u{85}"),
        format!("primary k1 {a}\u{2028}retired k2 {b}"),
        format!("primary k1 {a}\rretired k2 {b}"),
        format!("primary k1 {a}\0"),
        format!("primary k1 {cut}"),
        format!("primary k1 {a}A"),
        format!("primary k1 {a}="),
        format!("primary k1 {mistyped}"),
        format!("primary k1 {later}"),
        format!("primary k1 {}", a.to_uppercase()),
        format!("primary k1 {}é", &a[..51]),
        format!("primary k1 {weak}"),
        format!("primary k1 {}", &a[5..]),
        format!("primary k1 {a},"),
    ]
}

fn contexts() -> Vec<Pairs> {
    let one = |name: &str, value: &str| pairs(&[(name, value)]);
    let many = |count: usize| (0..count).map(|n| (format!("n{n}"), String::new())).collect();
    vec![
        many(0),
        many(32),
        many(33),
        one("n", ""),
        one("", ""),
        one("", "v"),
        one(&"n".repeat(64), ""),
        one(&"n".repeat(65), ""),
        one(&"é".repeat(32), ""),
        one(&format!("{}n", "é".repeat(32)), ""),
        one("n", &"v".repeat(1024)),
        one("n", &"v".repeat(1025)),
        one("n", &"é".repeat(512)),
        one("n", &format!("{}v", "é".repeat(512))),
        one("\0", "\0"),
        pairs(&[("n", "1"), ("n", "2")]),
        pairs(&[("n", ""), ("m", ""), ("n", "")]),
        pairs(&[("n", ""), ("N", ""), (" n", ""), ("n ", "")]),
        pairs(&[("ab", ""), ("a", ""), ("abc", ""), ("aa", "")]),
        // In another order as UTF-16; and by no order the same.
        pairs(&[("\u{ff21}", "1"), ("\u{1f511}", "2"), ("\u{e000}", "3"), ("\u{10ffff}", "4")]),
        pairs(&[("e\u{301}", ""), ("é", ""), ("E\u{301}", "")]),
        pairs(&[("\u{feff}", ""), ("\u{200b}", "")]),
    ]
}
