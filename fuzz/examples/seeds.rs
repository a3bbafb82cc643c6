//! Writes the inputs that fuzzing starts from into `DIR/<target>/`: the vectors, keyring texts, a valid row of each
//! kind, and short histories.
//!
//! ```text
//! cargo run --manifest-path fuzz/Cargo.toml --example seeds DIR
//! ```

use std::fs;
use std::path::Path;

use sealwax_fuzz::material::{DEK, IV, RING, TRIPLET_KEY, context};
use sealwax_fuzz::open_altered::EXCHANGES;
use sealwax_fuzz::parse_triplet::{INSTANCE_KEY, LABEL, NAMED, SALT_KEY, kind};
use sealwax_fuzz::reference::encoding::{BASE64, hex};
use sealwax_fuzz::reference::envelope::Envelope;
use sealwax_fuzz::reference::keyring::key_text;
use sealwax_fuzz::reference::legacy::{cloak, litellm, n8n};
use sealwax_fuzz::reference::procedures::seal;
use sealwax_fuzz::reference::triplet::Row;
use sealwax_fuzz::stateful::ALTERATIONS;
use serde_json::Value;

/// Longer inputs are not used as seeds: the vectors include one of 4 KiB, and a fuzzer learns nothing from it.
const MAX_LEN: usize = 1200;

fn main() {
    let dir = std::env::args().nth(1).expect("the first argument is a directory");
    let seeds: [(&str, Vec<Vec<u8>>); 15] = [
        ("audit", audits()),
        ("branch", branches()),
        ("context", contexts()),
        ("destination", destinations()),
        ("hmac", hmacs()),
        ("import", imports()),
        ("open_altered", altered()),
        ("parse_binary", envelopes().iter().map(Envelope::binary).chain(broken_binary()).collect()),
        ("parse_keyring", keyrings().into_iter().map(String::into_bytes).collect()),
        ("parse_text", texts().into_iter().map(String::into_bytes).collect()),
        ("parse_triplet", triplets()),
        ("redaction", redactions()),
        ("stateful", histories()),
        ("tenants", tenants()),
        ("tokens", tokens()),
    ];
    for (target, seeds) in seeds {
        let dir = Path::new(&dir).join(target);
        fs::create_dir_all(&dir).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            fs::write(dir.join(format!("seed-{number:03}")), seed).unwrap();
        }
    }
}

fn vectors(file: &str, list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    file[list].as_array().unwrap().clone()
}

/// Returns the vectors, and envelopes that lead to various results with the targets' keyring.
fn envelopes() -> Vec<Envelope> {
    let text = |vector: &Value| vector["text"].as_str().unwrap().to_owned();
    let mut envelopes: Vec<Envelope> = vectors("v1.json", "vectors")
        .iter()
        .map(text)
        .filter(|text| text.len() <= MAX_LEN)
        .map(|text| Envelope::from_text(&text).unwrap())
        .collect();
    let ring = &RING.reference;
    let (here, there) = (context("1"), context("2"));
    for suite in [1, 2] {
        let sealed = seal(ring, suite, here.encoded(), b"a credential", &DEK, &IV);
        envelopes.push(seal(ring, suite, there.encoded(), b"a credential", &DEK, &IV));
        envelopes.push(seal(ring, suite, here.encoded(), b"", &DEK, &IV));
        envelopes.push(seal(ring, suite, here.encoded(), &[b'x'; 400], &DEK, &IV));
        // A weak data key; keys that are disabled, leaked, destroyed, retired, and of other material.
        envelopes.push(seal(ring, suite, here.encoded(), b"x", &[7; 32], &IV));
        for ids in [
            &["off"][..],
            &["off", "gone"],
            &["out", "off"],
            &["gone", "out"],
            &["prod", "out"],
            &["prod-2026", "unknown"],
            &["dr"],
        ] {
            let ids = ids.iter().map(|id| (*id).to_owned());
            let wraps = ids.zip(sealed.wraps.iter().map(|wrap| wrap.1.clone())).collect();
            envelopes.push(Envelope { wraps, ..sealed.clone() });
        }
        // Eight wraps, of kinds that nothing here implements.
        let wraps = (1..=8).map(|kind| (format!("k{kind}"), vec![kind, 0])).collect();
        envelopes.push(Envelope { wraps, ..sealed.clone() });
        // The id of a local key over wraps of other kinds, and over wraps that are too short or too long.
        for kind in [2, 3, 4, 5, 6, 0x80] {
            let mut wraps = sealed.wraps.clone();
            wraps[0].1[0] = kind;
            envelopes.push(Envelope { wraps, ..sealed.clone() });
        }
        for len in [60, 62, 77] {
            let mut wraps = sealed.wraps.clone();
            wraps[0].1.resize(len, 0);
            envelopes.push(Envelope { wraps, ..sealed.clone() });
        }
        envelopes.push(Envelope { ciphertext: b"b credential".to_vec(), ..sealed.clone() });
        // Truncated by a column.
        envelopes.push(Envelope { ciphertext: b"a cred".to_vec(), ..sealed.clone() });
        envelopes.push(sealed);
    }
    envelopes
}

/// Returns other versions, truncated inputs, and inputs with no wrap or one too many.
fn broken_binary() -> Vec<Vec<u8>> {
    let mut broken: Vec<Vec<u8>> =
        [b"SW\x02\x01".as_slice(), b"SW\xff", b"SW\0", b"SW", b""].map(Vec::from).into();
    for count in [0_u8, 9] {
        let wraps = (0..count).flat_map(|number| [1, b'a' + number, 0, 2, 2, 0]);
        broken.push([b"SW\x01\x01", &[count][..], &wraps.collect::<Vec<_>>(), &[0; 80]].concat());
    }
    broken
}

fn texts() -> Vec<String> {
    let refused = vectors("refused.json", "refused");
    let refused = refused.iter().map(|vector| vector["text"].as_str().unwrap().to_owned());
    let mut texts: Vec<String> = refused.filter(|text| text.len() <= MAX_LEN).collect();
    texts.extend(envelopes().iter().map(Envelope::text));
    let fronts = ["sw2:", "sw255:x", "sw256:x", "sw02:", "sw0:", "sw2", "sw99999999999:x", "sw1:"];
    texts.extend(fronts.map(str::to_owned));
    // A wrap of the maximum length, and one that is longer: a mark is 4,096 `A`s.
    let text = envelopes()[0].text();
    let (front, rest) = text.split_once('=').unwrap();
    let (_, rest) = rest.split_once(':').unwrap();
    for (marks, more) in [(21, 1363), (22, 0)] {
        let wrapped = ["C", &"\u{1}".repeat(marks), &"A".repeat(more)].concat();
        texts.push(format!("{front}={wrapped}:{rest}"));
    }
    texts
}

fn keyrings() -> Vec<String> {
    let key = |number: u8| {
        let mut key = DEK;
        key[0] = number;
        key_text(&key)
    };
    let mut texts = vec![
        format!(
            "# a comment\nprimary   prod-2026  {}\r\nretired prod-2025 {}\n\tescrow eu-dr {}\n\
             disabled prod-2023\nleaked prod-2024\ndestroyed prod-2022 {}\n",
            key(1),
            key(2),
            key(3),
            key(4)
        ),
        format!("primary a {}; retired b {} ;; disabled c", key(1), key(2)),
        format!("retired a {};primary b {}", key(1), key(2)),
        format!("primary a {};retired A {}", key(1), key(2)),
        format!("primary a {};primary b {}", key(1), key(2)),
        format!("primary a {} b", key(1)),
        format!("primary a {} # no", key(1)),
        format!("\u{feff}primary a {}", key(1)),
        format!("primary\u{a0}a {}", key(1)),
        format!("primary {}", key(1)),
        format!("primary a {}", &key(1)[..52]),
        format!("primary a {}", key(1).replace('A', "B")),
        format!("primary a {}", key_text(&[7; 32])),
        "retired a".to_owned(),
        "primary".to_owned(),
        "destroyed x".to_owned(),
        "unknown a b".to_owned(),
        String::new(),
        // A mark stands for a key.
        "primary a \u{1}\nretired b \u{2};escrow c \u{3};disabled d;destroyed e \u{4}".to_owned(),
        "primary a \u{1}\nleaked b \u{2}\nleaked c".to_owned(),
        // The same key under two ids, and twice under one id.
        "primary a \u{1}\nretired b \u{1}".to_owned(),
        "primary a \u{1}\nleaked b \u{1}".to_owned(),
        "primary a \u{1}\ndisabled b \u{2};destroyed c \u{2}".to_owned(),
        "primary a \u{1}\nretired a \u{1}".to_owned(),
        // Keys in place of ids: without their prefixes, with them, and in another case.
        "primary a \u{1}\nretired \u{5} \u{2}".to_owned(),
        "primary a \u{1}\ndisabled \u{6}".to_owned(),
        "primary \u{7} \u{1}".to_owned(),
        "primary a \u{1}\ndisabled a-SWKT1_b".to_owned(),
        "primary a \u{1}\ndisabled sw1_".to_owned(),
        // A carriage return: at the end of a line, twice at an end, and inside a comment.
        "primary a \u{1}\r\n# a comment\r\nretired b \u{2} \r\n".to_owned(),
        "primary a \u{1}\r\r\n".to_owned(),
        "# a comment\rretired b\nprimary a \u{1}".to_owned(),
    ];
    for escrows in [7, 8] {
        let mut text = format!("primary a {}", key(1));
        for number in 0..escrows {
            text += &format!(";escrow e{number} {}", key(number + 2));
        }
        texts.push(text);
    }
    // The maximum number of keys, and one more.
    for others in [1023, 1024] {
        let ids = (0..others).map(|number| format!(";disabled {number:x}")).collect::<String>();
        texts.push(format!("primary p {}{ids}", key(1)));
    }
    texts
}

fn triplets() -> Vec<Vec<u8>> {
    let plaintext = b"sk-test-123";
    let row = |iv: &[u8]| Row::sealed(&TRIPLET_KEY, iv, &[], plaintext);
    let (short, long) = (row(&IV), row(b"sixteen bytes iv"));
    let of = |iv_len: usize| if iv_len == 12 { &short } else { &long };
    let joined = |row: &Row| [row.ciphertext.as_slice(), &row.tag].concat();
    let mut seeds = Vec::new();
    let mut add = |front: &[u8], rest: &[u8]| seeds.push([front, rest].concat());

    for (number, (_, shape)) in (0..).zip(NAMED) {
        add(&[number], shape.text(of(shape.iv_len)).as_bytes());
        let row = Row::sealed(&TRIPLET_KEY, &of(shape.iv_len).iv, &[], &[b'x'; 400]);
        add(&[number], shape.text(&row).as_bytes());
        // A key, a weak key, and something that is not a key.
        for key in [DEK.as_slice(), &[7; 32], &[7; 31]] {
            let row = Row::sealed(&TRIPLET_KEY, &of(shape.iv_len).iv, &[], key);
            add(&[number], shape.text(&row).as_bytes());
        }
    }
    // Separated by ':' and joined, in each order, in each encoding and with each IV length.
    for (number, iv) in [(0, &short), (1, &long)] {
        for encoding in 0..5 {
            for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
                let columns = [&iv.iv, &iv.tag, &iv.ciphertext].map(|part| text(encoding, part));
                let separated = order.map(|part| columns[part].as_str()).join(":");
                let bytes = order.map(|part| [&iv.iv, &iv.tag, &iv.ciphertext][part].as_slice());
                let order = order.map(|part| u8::try_from(part).unwrap());
                let choice = [order.as_slice(), &[encoding, number]].concat();
                add(&[&[kind::DECLARED, 0], choice.as_slice()].concat(), separated.as_bytes());
                add(
                    &[&[kind::JOINED], choice.as_slice()].concat(),
                    text(encoding, &bytes.concat()).as_bytes(),
                );
            }
            let [first, second, third] =
                [&iv.iv, &iv.tag, &iv.ciphertext].map(|part| text(encoding, part));
            add(&[kind::COLUMN, encoding], text(encoding, &iv.tag).as_bytes());
            add(&[kind::COLUMN, encoding], b"+/A");
            add(&[kind::COLUMNS, encoding], format!("{first}\n{second}\n{third}").as_bytes());
            add(
                &[kind::JOINED_COLUMNS, encoding],
                format!("{first}\n{}", text(encoding, &joined(iv))).as_bytes(),
            );
        }
        let iv_len = u8::try_from(iv.iv.len()).unwrap();
        add(&[kind::PARTS, iv_len, 16], &[iv.iv.as_slice(), &iv.tag, &iv.ciphertext].concat());
        add(&[kind::JOINED_PARTS, iv_len, 0], &[iv.iv.as_slice(), &joined(iv)].concat());
        add(&[kind::CLOAK, number], &cloak::encrypt(&TRIPLET_KEY, LABEL, &iv.iv, plaintext));
        add(&[kind::CLOAK, number], &cloak::encrypt(&TRIPLET_KEY, "another", &iv.iv, plaintext));
    }
    for version in [sealwax::legacy::litellm::Version::V2, sealwax::legacy::litellm::Version::V3] {
        let key = litellm::key(version, SALT_KEY);
        add(&[kind::LITELLM], litellm::encrypt(&key, version, &IV, plaintext).as_bytes());
    }
    let salt = &DEK;
    add(
        &[kind::N8N_ROW],
        n8n::encrypt(&TRIPLET_KEY, "KEYID0123456789ab", salt, plaintext).as_bytes(),
    );
    for text in [hex(&DEK), hex(&[0; 32]), "no key".to_owned()] {
        add(&[kind::N8N_VALUE], n8n::wrap_key(INSTANCE_KEY, salt, text.as_bytes()).as_bytes());
    }
    add(&[kind::N8N_VALUE], n8n::wrap_key(INSTANCE_KEY, salt, b"\xff").as_bytes());
    for key in [DEK, [0; 32]] {
        add(&[kind::KEY], hex(&key).to_uppercase().as_bytes());
        add(&[kind::KEY], BASE64.encode(&key).as_bytes());
    }
    seeds
}

fn text(encoding: u8, bytes: &[u8]) -> String {
    let encoding = sealwax_fuzz::parse_triplet::ENCODINGS[usize::from(encoding)];
    sealwax_fuzz::reference::triplet::encode(encoding, bytes)
}

/// Rows and ring, context, form, then an edit or none.
fn altered() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for row in 0..4 {
        for ring in 0..9 {
            seeds.push(vec![row, 3 - row, ring, row, ring % 2]);
        }
        // Each exchange, with and without a new MAC by the editor.
        for exchange in 0..EXCHANGES {
            seeds.push(vec![row, (row + 1) % 4, 1, row, 0, 0, exchange, 1]);
            seeds.push(vec![row, (row + 1) % 4, 1, row, 1, 0, exchange, 1, 64]);
        }
        // A wrap with one bit flipped: in its check value, its salt and its padded key.
        for place in [14, 30, 60] {
            seeds.push(vec![row, row, 0, row, 0, 255, 0, 0, place, 1]);
        }
        for edit in 0..5 {
            seeds.push(vec![row, (row + 1) % 4, 0, row, row % 2, 255, edit, 0, 200, 0, 200]);
        }
    }
    seeds
}

fn contexts() -> Vec<Vec<u8>> {
    let pairs = b"\x03\x06tenant\x04acme\x08provider\x06openai\x03row\x017";
    // What is held, hosts or none, a change, and where.
    let [nothing, key, hosts] = [b"\0\0".as_slice(), b"\x01\0", b"\0\x03\0\x01"];
    let mut seeds: Vec<Vec<u8>> = Vec::new();
    for set in [nothing, key, hosts, b"\x03\x03\x04\x02"] {
        seeds.extend((0..10).map(|change| [pairs.as_slice(), set, &[change, 1, 1]].concat()));
    }
    // No host, a duplicate host, and invalid hosts; one that is too long, and five that are.
    seeds.push([pairs.as_slice(), b"\0\x01\x01"].concat());
    seeds.push([pairs.as_slice(), b"\0\x03\0\0"].concat());
    seeds.extend((5..12).map(|host| [pairs.as_slice(), &[0, 2, host]].concat()));
    seeds.extend([252, 253, 254].map(|len| [pairs.as_slice(), &[0, 2, 192, 0, len]].concat()));
    let long = (0..5).flat_map(|number| [192, 0, 248 + number]).collect::<Vec<u8>>();
    seeds.push([pairs.as_slice(), &[0, 6], &long].concat());
    // Reserved names, and some that are not reserved.
    seeds.extend((0..6).map(|name| vec![1, 192, name, 1, b'x', 0, 0, 1]));
    // 32 pairs and 33, and as many including the pairs that the crate sets; and the limits of a name and a value.
    for (count, set) in
        [(32, nothing), (33, nothing), (31, key), (32, key), (30, hosts), (32, hosts)]
    {
        let pairs = (0..count).flat_map(|number| [1, b'0' + number, 0]);
        seeds
            .push([count].into_iter().chain(pairs).chain(set.iter().copied()).chain([1]).collect());
    }
    for (name, value) in [(63_u16, 1023_u16), (64, 1023), (63, 1024)] {
        let [name, value] = [name, value].map(u16::to_be_bytes);
        seeds.push(vec![1, 200, 0, name[0], name[1], 200, 1, value[0], value[1], 0, 0, 2, 0]);
    }
    seeds
}

/// Returns the lines on the page of `sealwax-audit`, anchors, and the texts of keys; of each, also some that are wrong.
fn audits() -> Vec<Vec<u8>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sealwax-audit/FORMAT.md");
    let page = fs::read_to_string(page).unwrap();
    let lines: Vec<&str> = page.lines().filter(|line| line.starts_with("{\"")).collect();
    assert_eq!(lines.len(), 3);
    let hex = "5a".repeat(32);
    let mut seeds = vec![
        lines.join("\n"),
        [lines[0], lines[2], "", lines[1]].join("\r\n"),
        lines[0].replace("acme", "\\u0061\\\"\\n").replace("ticket 7", ""),
        lines[0].replace("ticket 7", "\\ud83d\\udd11 \\/ é"),
        lines[0].replace("\"open\"", "\"swa1/end\""),
        lines[0].replace("1790000000000", "9007199254740992"),
        lines[0].replace(":1,", ":1.0,"),
        lines[0].replace("{", "{ \"number\" : 7 , "),
        lines[1].replace("\"why\"", "\"Why\""),
        lines[1].replace("null", "[null]"),
        lines[2].replace("audit-2026@1", "audit-2026@3660"),
        lines[2].replace("audit-2026@1", "other"),
        format!("swa1:17:{hex}:acme: é"),
        format!("swa1:017:{hex}:acme"),
        format!("swa1:17:{}:acme", hex.to_uppercase()),
        format!("swa1:9007199254740991:{hex}:a\n"),
        "\u{1}".into(),
        "\u{1} ".into(),
        "swa1_AAAA".into(),
        "primary audit-2026@3 \u{1}\nretired audit-2025\t\u{2};retired a \u{3}\n# a comment".into(),
        "retired a \u{2}; primary b \u{1}\r\n".into(),
    ];
    let keys =
        ["primary a \u{1};primary b \u{2}", "retired a \u{1}", "primary a \u{1};retired A \u{2}"];
    let wrong = [
        "primary a \u{1};retired b \u{1}",
        "primary \u{1} \u{1}",
        "primary a",
        "#",
        "primary a \u{1} b",
    ];
    seeds.extend(keys.into_iter().chain(wrong).map(String::from));
    seeds.into_iter().map(String::into_bytes).collect()
}

/// Returns the bodies on the page of `sealwax-branch`, cut ones, and bodies of each length where something ends, with and
/// without edits.
fn branches() -> Vec<Vec<u8>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sealwax-branch/FORMAT.md");
    let page = fs::read_to_string(page).unwrap();
    let mut seeds = Vec::new();
    for (kind, name) in [(0, "branch"), (1, "rebound")] {
        let known = page.lines().find_map(|line| line.strip_prefix(&format!("{name} c20p ")));
        let known = from_hex(known.unwrap());
        let front = 32 * usize::from(1 - kind);
        let raw = |body: &[u8]| [&[kind, 0], body].concat();
        seeds.extend([raw(&known), raw(&known[..known.len() - 1])]);
        seeds.extend([0, 1, 2, 3].map(|len| raw(&known[..front + len])));
        // W of no bytes, and one whose length goes to the end.
        seeds.push(raw(&[&known[..front], &[0, 0], &known[known.len() - 60..]].concat()));
        seeds.push(raw(&[&known[..front], &[0, 92], &known[known.len() - 92..]].concat()));
        // The service says no to W, or W is current, or not.
        for first in [0, 6, 7] {
            seeds.push(vec![kind, 1, 40, 1, first]);
        }
        for len in (0xf8..=0xff).chain([1, 2, 60, 0xf7]) {
            seeds.push(vec![kind, 1, len, 2, 5, 6]);
        }
        // Edits: of branch_id or the length, of W, of the local body.
        for edit in 0..5 {
            for at in [0, 50] {
                seeds.push(vec![kind, 1, 40, 1, 6, 1, edit, 0, at, 1]);
            }
        }
        // Another body after a part of this one; and twice: a longer W, with its length.
        seeds.push(vec![kind, 1, 40, 1, 6, 1, 4, 0, 32, 0, 32]);
        let len = u8::try_from(front + 1).unwrap();
        seeds.push(vec![kind, 1, 40, 1, 6, 2, 1, 0, len + 20, 6, 0, 0, len, 1]);
    }
    seeds
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Returns the token and the records on the page of `sealwax-tokens`, altered ones, and the texts of peppers and of an id.
fn tokens() -> Vec<Vec<u8>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sealwax-tokens/FORMAT.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, answers) = page.split_once("## Known answers").unwrap();
    let known = |name: &str| {
        let line = answers.lines().find_map(|line| line.strip_prefix(&format!("{name} = ")));
        line.unwrap_or_else(|| panic!("{name} is not on the page")).to_owned()
    };
    let (token, record) = (known("token"), known("record"));
    let old = ["plaintext", "sha256", "salt before", "salt after"];
    let mut seeds: Vec<String> =
        old.map(|kind| format!("tok_9f3b61c2d7\n{}", known(&format!("record, {kind}")))).into();
    seeds.extend([
        format!("\u{2}\n{record}\nprimary a \u{1}; disabled b"),
        format!("{}\n{record}", token.replace("live_6", "live_7")),
        format!("{}\n{}", token.replace("live", "test"), &record[..record.len() - 1]),
        format!("\u{2} \n{}", record.replace("tokens-2026", "tokens-2025")),
        format!("\n{}", record.replace(":AQAAAQCA", ":AQAAAACA")),
        format!("\n{record}:"),
        format!("\n{record}="),
        format!("\n{}", record.replace("swt1", "swt2")),
        "808182838485868788898a8b8c8d8e8f".into(),
        "\n\nretired a \u{1}".into(),
        "\n\n# ours\r\ndisabled b\nprimary a \u{1}\r\n".into(),
        "\n\ndisabled b \u{1}\nprimary a \u{1}".into(),
        "\n\nprimary a swh1_AAAA; escrow c".into(),
        "a".repeat(1025),
    ]);
    seeds.into_iter().map(String::into_bytes).collect()
}

/// Returns records, tombstones and notices of `sealwax-tenants`. The marks stand for the envelopes of the keys 2 and 3.
fn tenants() -> Vec<Vec<u8>> {
    let seeds = [
        "r0 0",
        "r1 1",
        "r1000 1000",
        "r3 1\n2 \u{1}\n3 \u{2}",
        "r3 2\n2 \u{1}\n3 \u{2}",
        "r3 3\n2 \u{1}",
        "r2 0\n2 \u{1}",
        "r3 0\n1 sw1:\n2 \u{1}\n3 \u{2}",
        "r3 0\n2 \u{2}\n3 \u{2}",
        "r3 0\n2 \u{2}\n3 \u{1}",
        "r3 0\n2 \u{1} \n3 \u{2}",
        "r3 0\n2 \u{1}",
        "r2 0\n3 \u{2}",
        "r2 3",
        "r3 0\n3 \u{2}\n2 \u{1}",
        "r3 1\n03 \u{2}",
        "r1001 0\n3 \u{2}",
        "ttenant/42@3 epoch-2026-11 .",
        "ttenant/42@3 epoch-2026-10:0a1b2c3d epoch-2026-11:be2a6602,ffffffff .",
        "ttenant/a/b@1000 a b c d e f g h i j k l m .",
        "ttenant/42@3 b a .",
        "ttenant/42@3 .",
        "ttenant/42@3 epoch-2026-11",
        "ttenant/42@3 a:0A1B2C3D .",
        "ttenant/42@0 a .",
        "bepoch-2026-11\nepoch-2026-11:be2a6602: ticket 8",
        "bepoch-2026-11\nepoch-2026-10: ticket 8",
        "ba\na b: x",
        "dtenant/42@3\nepoch-2026-10 epoch-2026-11:be2a6602: ticket 8: erasure",
        "dtenant/1000@1000\na: ",
        "dtenant/42@1000\na: x",
        "depoch-2026-11\na: x",
        "ctenant/42@3\nepoch-2026-11:be2a6602: ticket 8",
        "ctenant/42@3\n: ticket 8",
    ];
    seeds.map(|seed| seed.as_bytes().to_vec()).into()
}

/// A key, cuts, and messages of each length around the end of a block.
fn hmacs() -> Vec<Vec<u8>> {
    let seed = |key: &[u8], cuts: &[u16], len: u16| {
        let cuts: Vec<u8> = cuts.iter().flat_map(|cut| cut.to_be_bytes()).collect();
        let counts = [u8::try_from(cuts.len() / 2).unwrap()];
        let front = [&[u8::try_from(key.len()).unwrap()], key, &counts, &cuts].concat();
        [front, len.to_be_bytes().into(), vec![7], b"message".to_vec()].concat()
    };
    let mut seeds = Vec::new();
    for len in [0, 1, 54, 55, 56, 57, 63, 64, 65, 118, 119, 120, 127, 128, 129, 400] {
        seeds.push(seed(&DEK, &[], len));
        seeds.push(seed(&DEK, &[len / 2, len / 2, 64, 1], len));
    }
    for len in [0, 1, 31, 32, 33, 63, 64] {
        let key: Vec<u8> = DEK.iter().copied().cycle().take(len).collect();
        seeds.push(seed(&key, &[1], 43));
    }
    // A weak key, which the crate rejects; and no message.
    seeds.push(seed(&[7; 32], &[3], 20));
    seeds.push(Vec::new());
    seeds
}

/// A row of every kind, unchanged, and some with an edit.
fn imports() -> Vec<Vec<u8>> {
    let of_len = |kind: u8, len: u16, edits: &[u8]| {
        [&[kind, 9], len.to_be_bytes().as_slice(), &[11], b"sk-test-123", edits].concat()
    };
    let row = |kind: u8, edits: &[u8]| of_len(kind, 11, edits);
    let mut seeds: Vec<Vec<u8>> = (0..91).map(|kind| row(kind, &[])).collect();
    seeds.extend((0..91).step_by(7).map(|kind| of_len(kind, 500, &[])));
    for edit in 0..5 {
        seeds.push(row(3, &[255, edit, 0, 30, 7, 9]));
        seeds.push(row(2, &[255, edit, 0, 30, 7, 9]));
    }
    seeds
}

/// Nine states, of which the first is that of a primary, then steps.
fn histories() -> Vec<Vec<u8>> {
    // A retired key, two escrow keys, one disabled, one leaked, one destroyed, and two that are added later.
    let states = [0, 1, 2, 2, 3, 4, 5, 6, 6];
    let seal = [0, 0, 0, 5, 5, b'h', b'e', b'l', b'l', b'o', 0];
    let rotate = [9, 1, 0];
    let rewrap = [2, 0];
    // Key 0 or another one gets a state.
    let into = |key: u8, state: u8| [9, key, 5, state];
    let mut seeds = vec![
        [&states[..], &seal].concat(),
        [&states[..], &seal, &rotate, &rewrap].concat(),
        // The key that sealed is destroyed, or gets other material.
        [&states[..], &seal, &rotate, &into(0, 5)].concat(),
        [&states[..], &seal, &[9, 0, 1, 11]].concat(),
        // An escrow key leaks, or the key that sealed does. The row is refused, and a rewrap does not repair it.
        [&states[..], &seal, &into(2, 4), &rewrap, &into(2, 1), &rewrap].concat(),
        [&states[..], &seal, &rotate, &into(0, 4), &rewrap].concat(),
        [&states[..], &seal, &rotate, &rewrap, &into(0, 4)].concat(),
        // The text of a leaked key is kept, and its key comes back under another id.
        [&states[..], &seal, &[9, 5, 4], &[9, 1, 1, 5], &[9, 5, 4], &[9, 1, 1, 5]].concat(),
        // A backup is made, the row is rewrapped, and its old wraps are restored.
        [&states[..], &seal, &[5, 0], &rotate, &rewrap, &[4, 0, 1, 0, 12]].concat(),
    ];
    for alteration in 0..ALTERATIONS {
        seeds.push([&states[..], &seal, &seal, &[4, 0, 1, 1, alteration, 3, 1]].concat());
    }
    // Two remote keys also have the data key, and the local keys are removed. Each replies in every way.
    let seal_for_two = [&seal[..10], &[2, 0, 1, 1, 1]].concat();
    let local_alone = [&[0, 6, 6, 6, 6, 6, 6, 6, 6], &seal_for_two[..]].concat();
    for one in 0..5 {
        for other in 0..5 {
            let remote = [9, 0, 8, one, 9, 1, 9, other];
            let altered = [4, 0, 0, 0, 6, 7, 1];
            seeds.push([&local_alone[..], &remote, &[9, 7, 0, 9, 0, 5, 3], &rewrap].concat());
            seeds.push([&local_alone[..], &remote, &altered, &rewrap].concat());
        }
    }
    // In each context; and with a wrap of another kind, under an id that a local key gets later.
    for context in 0..7 {
        let seal = [&[0, context], &seal[2..]].concat();
        seeds.push([&states[..], &seal, &rotate, &rewrap].concat());
    }
    for (id, kind) in [(0, 0), (1, 1), (2, 1), (2, 2), (3, 3), (4, 6)] {
        let seal = [&seal[..10], &[1, id, 0, kind, 0, 9]].concat();
        let new = into(8, 1);
        seeds.push([&states[..], &seal, &new, &rewrap].concat());
        seeds.push([&states[..], &seal, &into(8, 0), &[9, 8, 0], &rewrap].concat());
    }
    seeds
}

/// Returns the hostile URLs of the tests of `sealwax-credentials`, and some with a host in its short form.
fn destinations() -> Vec<Vec<u8>> {
    let table = include_str!("../../crates/sealwax-credentials/tests/destinations/hostile.txt");
    let urls =
        table.lines().filter_map(|line| line.split_once(" | ")).map(|(url, _)| url.trim_end());
    let short = |front: &str, host: u8, rest: &str| {
        [front.as_bytes(), &[1, host], rest.as_bytes()].concat()
    };
    let mut seeds: Vec<Vec<u8>> = urls.map(|url| url.as_bytes().to_vec()).collect();
    for host in 0..4 {
        for rest in ["", "/", ":443/v1", ":8443", ":8444", ".", "@a", ":0443", "%2e"] {
            seeds.push(short("https://", host, rest));
        }
        seeds.push(short("http://", host, "/"));
        seeds.push(short("https://user@", host, "/"));
    }
    for uri in
        ["http://127.0.0.1:80", "https://[::1]:443/", "http://localhost", "http://localhost:0"]
    {
        seeds.push(uri.into());
    }
    seeds
}

/// Returns each kind of key with each form of it: whole, in part, and cut.
fn redactions() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![6], vec![0, b'x']];
    for kind in 0..8 {
        let key: &[u8] = if kind == 7 { b"arbitrary key" } else { b"" };
        let mut text = vec![kind + 8];
        text.extend_from_slice(key);
        for form in 0xf8..=0xff {
            for detail in [0, 5, 0xff] {
                text.extend([b'a', form, detail, 255, 0xf0, form, detail, 7]);
            }
            seeds.push(text.clone());
            text.truncate(1 + key.len());
        }
    }
    seeds
}
