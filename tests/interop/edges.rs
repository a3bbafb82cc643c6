//! The limits on the format page, each from both sides, and cases close to them.

use base64ct::{Base64UrlUnpadded, Encoding};
use sealwax::{EncryptionContext, Envelope, Keyring, Secret};
use sha2::{Digest, Sha256};

use crate::outcome::Question;
use crate::rows::{Form, Key, context};

type Pairs = Vec<(String, String)>;

fn key(number: u16) -> String {
    let mut bytes = [0x5e; 32];
    bytes[..2].copy_from_slice(&number.to_be_bytes());
    Key::of("any", &bytes).text
}

/// The keyring with the key of all envelopes below.
fn keyring() -> String {
    format!("primary k1 {}", key(1))
}

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn acme() -> Pairs {
    pairs(&[("tenant", "acme")])
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
    let envelopes =
        versions().into_iter().chain(kinds()).chain(wraps()).chain(sizes()).map(envelope);
    let text = of_acme();
    let keyrings = keyrings().into_iter().map(|keyring| Question {
        envelope: Form::Text(text.clone()),
        keyring,
        pairs: acme(),
    });
    // Sealed for the context itself, if the pairs make one.
    let contexts = contexts().into_iter().map(|pairs| Question {
        envelope: Form::Text(
            context(&pairs).map_or_else(|_| text.clone(), |it| sealed(b"sk-1", &it)),
        ),
        keyring: keyring(),
        pairs,
    });
    envelopes.chain(ids()).chain(states()).chain(keyrings).chain(contexts).collect()
}

fn versions() -> Vec<Form> {
    let text = of_acme();
    let rest = text.strip_prefix("sw1:").unwrap();
    let long = format!("sw{}:", "9".repeat(40));
    #[rustfmt::skip]
    let prefixes = [
        "sw1:", "sw2:", "sw0:", "sw01:", "sw02:", "sw002:", "sw10:", "sw19:", "sw99:", "sw100:", "sw254:",
        "sw255:", "sw256:", "sw260:", "sw300:", "sw999:", "sw1000:", "sw0255:", "sw258:", "sw4294967296:",
        "sw4294967298:", "sw18446744073709551618:", &long, "sw:", "sw1", "sw2", "sw2=", "sw2,", "sw1:2:",
        "sw2:1:", "sw::", "sw\u{ff11}:", "sw\u{ff12}:", "sw\u{b2}:", "sw\u{662}:", "sw-1:", "sw+2:", "sw2.0:",
        "sw2a:", "sw 2:", "sw2 :", "sw1 :", "sw1_:", "sw1_2:", "SW1:", "SW2:", "Sw2:", "sW2:", " sw1:", " sw2:",
        "\u{feff}sw1:", "\u{feff}sw2:", "\nsw2:", "sw2\n:", "",
    ];
    let whole = prefixes.iter().map(|prefix| format!("{prefix}{rest}"));
    let cut =
        ["", "s", "sw", "sw1", "sw2", "sw1:", "sw2:", "sw255:", "sw256:", "sw3:::::", "sw1::::::"];
    let texts = whole.chain(cut.map(str::to_owned)).map(Form::Text);
    #[rustfmt::skip]
    let bytes: [&[u8]; 13] = [
        b"", b"S", b"SW", b"SW\x00", b"SW\x01", b"SW\x02", b"SW\xff", b"SW\x01\x01", b"SW\x02\x01", b"SW1", b"SW2",
        b"sw\x02", b"\xef\xbb\xbfSW\x02",
    ];
    // The whole envelope with another version.
    let binary = binary_of_acme();
    let versions = [0, 1, 2, 0x31, 0xff].map(|version| changed(&binary, 2, version));
    texts.chain(bytes.map(|bytes| Form::Binary(bytes.to_vec()))).chain(versions).collect()
}

fn binary_of_acme() -> Vec<u8> {
    of_acme().parse::<Envelope>().unwrap().as_bytes().to_vec()
}

fn changed(binary: &[u8], at: usize, byte: u8) -> Form {
    let mut binary = binary.to_vec();
    binary[at] = byte;
    Form::Binary(binary)
}

/// Returns the envelope with its own wrap under another kind, also with a body that fits no kind, and with a local wrap
/// of another length, also with another check value.
fn kinds() -> Vec<Form> {
    const LEN_AT: usize = 8;
    const KIND_AT: usize = 10;
    const CHECK_AT: usize = 11;
    let binary = binary_of_acme();
    assert_eq!(binary[LEN_AT..CHECK_AT], [0, 61, 1], "the wrap of k1");
    let shaped = |len: u8| {
        let (front, rest) = binary.split_at(CHECK_AT);
        let (body, rest) = rest.split_at(60);
        let body: Vec<u8> = body.iter().copied().cycle().take(usize::from(len) - 1).collect();
        let mut binary = [front, body.as_slice(), rest].concat();
        binary[LEN_AT + 1] = len;
        binary
    };
    let kinds = [0, 1, 2, 3, 4, 5, 6, 0x7f, 0x80, 0xff];
    let own = kinds.iter().map(|kind| changed(&binary, KIND_AT, *kind));
    let short = kinds.iter().map(|kind| changed(&shaped(2), KIND_AT, *kind));
    let shapes = [2, 5, 6, 29, 30, 60, 61, 62, 77, 93, 121].map(|len| Form::Binary(shaped(len)));
    let other_check = [60, 61, 62].map(|len| changed(&shaped(len), CHECK_AT, !binary[CHECK_AT]));
    own.chain(short).chain(shapes).chain(other_check).collect()
}

/// Returns ids that look like keys, or almost do, as ids of a wrap and in a keyring.
fn ids() -> Vec<Question> {
    let bare = |label: &str, len: usize| {
        let key = [0x5e_u8; 64][..len].iter().zip(1_u8..).map(|(byte, place)| byte ^ place);
        let key: Vec<u8> = key.collect();
        let sum = Sha256::new_with_prefix(label).chain_update(&key).finalize();
        Base64UrlUnpadded::encode(&[&key, &sum[..4]].concat(), &mut [0; 91]).unwrap().to_owned()
    };
    let master = bare("sw1/key", 32);
    assert_eq!((master.len(), bare("sw1/key", 64).len()), (48, 91));
    let mistyped = |id: &str| {
        let (front, last) = id.split_at(id.len() - 1);
        format!("{front}{}", if last == "A" { "Q" } else { "A" })
    };
    #[rustfmt::skip]
    let plain = [
        "swk1_", "swo1_", "sws1_", "swkt1_", "swz1_", "swzz1_", "SWK1_", "sWk1_", "x-SWO1_y", "a/swkt1_b", "swk1_swk1_",
        "swsw1_", "swswk1_x", "swk1", "swk1-", "swk_1_", "swk11_", "swk2_", "sw1_", "sw11_", "sw-1_", "sw.1_", "sw_1_",
        "swk-1_", "swkt-1_", "swkty1_", "swk.1_", "sxk1_", "s-wk1_", "swk0_", "swkl_", "swk", "sw", "s",
    ];
    let ends = |count: usize| format!("{}swk1_", "x".repeat(count));
    let mut ids: Vec<String> = plain.iter().map(|id| (*id).to_owned()).collect();
    ids.extend([ends(122), ends(123), ends(124), "x".repeat(128), "x".repeat(129)]);
    for (label, len) in [
        ("sw1/key", 32),
        ("swkt1/key", 32),
        ("sw1/key", 64),
        ("swkt1/key", 64),
        ("sws1/key", 32),
        ("swo1/key", 64),
        ("sw1/key", 31),
        ("sw1/key", 33),
        ("sw1/key", 16),
    ] {
        let id = bare(label, len);
        ids.extend([mistyped(&id), format!("{id}x"), format!("x{id}"), id[1..].to_owned(), id]);
    }
    let text = of_acme();
    let mut questions = Vec::new();
    for id in &ids {
        let envelope = text.replacen("a256gcm:", &format!("a256gcm:{id}=AgA,"), 1);
        questions.push(Question {
            envelope: Form::Text(envelope),
            keyring: keyring(),
            pairs: acme(),
        });
        for entry in
            [format!("disabled {id}"), format!("leaked {id}"), format!("retired {id} {}", key(2))]
        {
            let keyring = format!("{};{entry}", keyring());
            questions.push(Question { envelope: Form::Text(text.clone()), keyring, pairs: acme() });
        }
    }
    questions
}

/// Returns an envelope with two wraps, and every pair of states that a keyring can have for their keys.
fn states() -> Vec<Question> {
    let [a, b, own] = [1, 2, 3].map(key);
    let ring: Keyring = format!("primary k1 {a};escrow k2 {b}").parse().unwrap();
    let sealed = ring.seal(&Secret::from(b"sk-1"), &context(&acme()).unwrap()).unwrap();
    let entries = |id: &str, key: &str, other: &str| {
        [
            String::new(),
            format!("retired {id} {key}"),
            format!("escrow {id} {key}"),
            format!("retired {id} {other}"),
            format!("disabled {id}"),
            format!("leaked {id}"),
            format!("leaked {id} {key}"),
            format!("destroyed {id}"),
        ]
    };
    let [x, y] = [4, 5].map(key);
    let mut questions = Vec::new();
    // The second wrap as it was sealed, and with kind 05, which no entry expects.
    for is_local in [true, false] {
        let text = sealed.to_string();
        let text = if is_local { text } else { text.replacen(",k2=A", ",k2=B", 1) };
        for one in entries("k1", &a, &x) {
            for other in entries("k2", &b, &y) {
                let keyring = format!("primary k0 {own};{one};{other}");
                let envelope = Form::Text(text.clone());
                questions.push(Question { envelope, keyring, pairs: acme() });
            }
        }
    }
    questions
}

/// Returns the envelope with one or more wraps added before its own.
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
        "x=BAA".into(), "x=BQA".into(), "x=BgA".into(), "x=fwA".into(), "x=gAA".into(), "x=_wA".into(), "swk1_=AgA".into(),
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
    // The name of another suite.
    for suite in ["c20p", "A256GCM", "a256gcm ", "", "toString", "01"] {
        forms.push(Form::Text(text.replacen("a256gcm", suite, 1)));
    }
    forms
}

/// Returns the largest ciphertext, and one byte more: its last group of four has two characters.
fn sizes() -> Vec<Form> {
    let mut largest = sealed(&vec![0; 16_777_216], &context(&acme()).unwrap());
    let at = largest.len() - 100;
    let other = if largest[at..].starts_with('A') { "B" } else { "A" };
    // Altered, because returning 16 MiB of plaintext would test nothing more.
    largest.replace_range(at..=at, other);
    let larger = format!("{largest}A");
    vec![Form::Text(largest), Form::Text(larger)]
}

fn keyrings() -> Vec<String> {
    let [a, b, c] = [1, 2, 3].map(key);
    // A valid checksum, and the byte 07, 32 times.
    let weak = "swk1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwe0GQzF";
    let cut = &a[..52];
    let mistyped = format!("{cut}{}", if a.ends_with('A') { 'B' } else { 'A' });
    let later = a.replacen("swk1_", "swk2_", 1);
    let many = |state: &str, count: u16| {
        (0..count).map(|n| format!("{state} x{n} {}\n", key(10 + n))).collect::<String>()
    };
    let gone = |count: usize| (0..count).map(|n| format!("disabled x{n};")).collect::<String>();
    vec![
        format!("primary k1 {a}"),
        format!(" \tprimary  k1\t \t{a} \t"),
        format!("primary k1 {a}\r\n"),
        format!("primary k1 {a}\r"),
        format!("primary k1 {a} \r\n"),
        format!("\n\n# c\n#\r\n \t# c; primary k1 {b}\nprimary k1 {a}\n\n"),
        format!("# \u{a0}\u{feff}#\u{2028}\u{b}\u{85}\nprimary k1 {a}"),
        format!("# c\rprimary k1 {a}"),
        format!("# c\r\nprimary k1 {a}"),
        format!("# c\r\r\nprimary k1 {a}"),
        format!("# c\r \nprimary k1 {a}"),
        format!("# c\rc\r\nprimary k1 {a}"),
        format!("#\r#\nprimary k1 {a}"),
        format!("\r# c\nprimary k1 {a}"),
        format!("\r\r\nprimary k1 {a}"),
        format!(" \r\nprimary k1 {a}\n\r\n\r"),
        format!("primary k1 {a}\n# c\r"),
        format!("primary k1 {a}\n# c\rretired k2 {b}"),
        format!("primary k1 {a};\r\n;\r"),
        format!("primary k1 {a};\r;\n"),
        format!(";; \t;primary k1 {a};;"),
        format!("primary k1 {a};retired k2 {b} ; escrow k3 {c}"),
        format!("retired k2 {b}\nprimary k1 {a}"),
        format!("retired k1 {a}\nprimary k2 {b}"),
        format!("escrow k1 {a};primary k2 {b}"),
        format!("disabled k1;primary k2 {b}"),
        format!("disabled k1 {a};primary k2 {b}"),
        format!("destroyed k1; primary k2 {b}"),
        format!("destroyed k1 {a}; primary k2 {b}"),
        format!("leaked k1;primary k2 {b}"),
        format!("leaked k1 {a};primary k2 {b}"),
        format!("leaked k1 {b};primary k2 {b}"),
        format!("primary k1 {a};leaked k2"),
        format!("primary k1 {a};leaked k2 {b}"),
        format!("primary k1 {a};leaked k1"),
        format!("primary k1 {a};leaked K1"),
        format!("primary k1 {a};leaked"),
        format!("primary k1 {a};leaked k2 k3"),
        format!("primary k1 {a};leaked k2 {b} {c}"),
        format!("primary k1 {a};leaked k2 {mistyped}"),
        format!("primary k1 {a};leaked k2 {weak}"),
        format!("primary k1 {a};Leaked k2"),
        format!("primary k1 {a};retired k2 {a}"),
        format!("primary k1 {a};escrow k2 {a}"),
        format!("primary k1 {a};disabled k2 {a}"),
        format!("primary k1 {a};leaked k2 {a}"),
        format!("primary k1 {a};destroyed k2 {a}"),
        format!("disabled k2 {a};primary k1 {a}"),
        format!("leaked k2 {a};primary k1 {a}"),
        format!("destroyed k2 {a};primary k1 {a}"),
        format!("primary k1 {a};disabled k2 {b};destroyed k3 {b}"),
        format!("primary k1 {a};leaked k2 {b};retired k3 {b}"),
        format!("primary k1 {a};disabled k2;disabled k3"),
        format!("primary k1 {a};retired k2 {b};retired k3 {c};escrow k4 {b}"),
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
        format!("primary {} {b}", &a[5..]),
        format!("primary {} {a}", &a[5..]),
        format!("primary k1 {a};retired {} {b}", &c[5..]),
        format!("primary k1 {a};disabled {}", &a[5..]),
        format!("primary k1 {a};leaked {}", &b[5..]),
        format!("primary k1 {a};destroyed {}", &b[5..]),
        format!("primary k1 {a};disabled {}", &b[5..].to_lowercase()),
        format!("primary k1 {a};disabled {}", &cut[5..]),
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
        // The first names sort differently as UTF-16. The others look alike, but differ as bytes.
        pairs(&[("\u{ff21}", "1"), ("\u{1f511}", "2"), ("\u{e000}", "3"), ("\u{10ffff}", "4")]),
        pairs(&[("e\u{301}", ""), ("é", ""), ("E\u{301}", "")]),
        pairs(&[("\u{feff}", ""), ("\u{200b}", "")]),
        // The format's own names, and names that are close to them.
        one("sw1/holds", "swk1"),
        one("sw1/holds", "swo1"),
        one("sw1/holds", "ring"),
        one("sw1/hosts", "api.openai.com"),
        pairs(&[("z", ""), ("sw1/hosts", "a b-1.c_2 x.y"), ("sw1/holds", "ring"), ("sw", "")]),
        pairs(&[("sw1", ""), ("sw1:", ""), ("sw2/holds", ""), ("SW1/holds", ""), (" sw1/", "")]),
    ]
}
