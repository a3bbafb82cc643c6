//! Envelopes in every way in which tools rewrite or cut them.

use super::*;
use sealwax::{EncryptionContext, Keyring, MasterKey, Secret};

fn envelope_of(credential: &str) -> String {
    let key = MasterKey::generate().unwrap();
    let keyring = Keyring::new("tenant/42@3".parse().unwrap(), key).unwrap();
    keyring.seal(&Secret::from(credential), &EncryptionContext::empty()).unwrap().to_string()
}

fn inner(text: &str) -> Option<String> {
    envelope_inside(text).map(|inside| inside.envelope)
}

fn in_lines(text: &str, length: usize, between: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let lines: Vec<String> = characters.chunks(length).map(|line| line.iter().collect()).collect();
    lines.join(between)
}

fn base64(bytes: &[u8]) -> String {
    Encoding::Base64.encode(bytes)
}

#[test]
fn layers_are_taken_away_in_any_order() {
    let envelope = envelope_of("sk-0123456789");
    let hex = Encoding::HexLower.encode(envelope.as_bytes());
    let json = serde_json::to_string(&envelope).unwrap();
    let around = [
        format!("{envelope:<400}"),
        format!("\t{envelope}\r\n"),
        format!("\u{feff}{envelope}"),
        format!("\u{200b}{envelope}\u{2060}"),
        format!("{envelope}\u{b}\r"),
        format!("{envelope}\0\0"),
        format!("{}\0", in_lines(&envelope, 1, "\0")),
        format!("\"{envelope}\""),
        format!("\"{}\"", envelope.replace('=', "\\u003d").replace('/', "\\/")),
        format!("\"{}\"", envelope.replace('=', "\\\\u003D")),
        serde_json::to_string(&json).unwrap(),
        format!("\"\"\"{envelope}\"\"\""),
        format!("\"{envelope}"),
        format!("'{envelope}'"),
        format!("`{envelope}`"),
        format!("'{envelope}"),
        format!("<{envelope}>"),
        format!("[\"{envelope}\"]"),
        format!("\u{201c}{envelope}\u{201d}"),
        format!("\u{201e}{envelope}\u{201c};"),
        format!("{envelope},"),
        format!("{envelope}=="),
        format!("{envelope}{}", " '".repeat(8)),
        format!("b'{envelope}'"),
        format!("b\"{envelope}\""),
        format!("N'{envelope}',"),
        format!("E'{envelope}\\r\\n'"),
        format!("'{envelope}'::text"),
        format!("=\"{envelope}\""),
        format!("&quot;{envelope}&quot;"),
        format!("&amp;quot;{}&#34;", envelope.replace('=', "&#x3D;")),
        format!("%22{}%22", envelope.replace(':', "%3A").replace('=', "%3d").replace('/', "%2F")),
        envelope.replace('_', "\\_").replace('-', "\\-") + "\\",
        format!("\\x{hex}"),
        format!("0x{}", hex.to_uppercase()),
        format!("X'{hex}'"),
        in_lines(&format!("\\x{hex}"), 60, "\n"),
        format!("\\x{}", in_lines(&hex, 2, "\\x")),
        in_lines(&hex, 2, " "),
        base64(envelope.as_bytes()),
        in_lines(&base64(envelope.as_bytes()), 64, "\r\n"),
        format!("{envelope}\\n"),
        format!("\"{envelope}\\n\""),
        format!(" \"b'\u{feff}{envelope}\\n' \"\n"),
        format!("\"\\\\x{hex}\""),
        format!("b'\\x{}'", Encoding::HexLower.encode(format!("\"{envelope}\"\n").as_bytes())),
        in_lines(&envelope, 76, "\n"),
        in_lines(&envelope, 80, "\r\n  "),
        in_lines(&envelope, 64, "\\n"),
        in_lines(&envelope, 70, "\\\n"),
        in_lines(&envelope, 78, "+\n "),
        format!("> {}", in_lines(&envelope, 72, "\n> ")),
        in_lines(&envelope.replace('=', "=3D"), 75, "=\r\n"),
    ];
    for (n, text) in around.iter().enumerate() {
        assert!(text.parse::<Envelope>().is_err(), "{n}: {text}");
        assert_eq!(inner(text).as_ref(), Some(&envelope), "{n}: {text}");
    }
    assert_eq!(around.len(), 53);
}

#[test]
fn every_width_of_a_line_is_joined() {
    let envelope = envelope_of("sk-0123456789");
    for width in 1..envelope.len() {
        assert_eq!(inner(&in_lines(&envelope, width, "\n")).as_ref(), Some(&envelope), "{width}");
    }
}

/// The last line may look like the letter of a literal, or like a mark.
#[test]
fn a_last_line_of_one_character_is_joined() {
    let envelope = envelope_of("x");
    let front = envelope.get(..envelope.len() - 2).unwrap();
    let mut joined = 0;
    for end in ["AAA", "AAb", "AAB", "AAN", "AAx", "AAU", "AA-", "AA_", "AA0", "AAAA"] {
        let whole = format!("{front}{end}");
        let (start, last) = whole.split_at(whole.len() - 1);
        if whole.parse::<Envelope>().is_ok() {
            assert_eq!(inner(&format!("{start}\n{last}")).as_ref(), Some(&whole), "{end}");
            joined += 1;
        }
        let wide = format!("{front}A{end}");
        let (start, last) = wide.split_at(wide.len() - 1);
        assert!(end == "AAAA" || inner(&format!("{start}\n{last}")) == Some(wide), "{end}");
    }
    assert!(joined > 2, "{joined}");
}

#[test]
fn what_has_no_envelope_inside_is_left() {
    let envelope = envelope_of("x");
    let upper = envelope.to_uppercase();
    for text in [
        "",
        " ",
        "\"\"",
        "b''",
        "\\x",
        "null",
        "\\x00ff",
        "\\n",
        "c3cx",
        "%",
        "&#x3D;",
        &upper,
        &format!("\"{envelope}x!\""),
    ] {
        assert_eq!(inner(text), None, "{text}");
        assert!(!has_envelope(text) && cut_after(text).is_none(), "{text}");
    }
}

/// Other words may be worth keeping.
#[test]
fn an_envelope_among_other_text_is_found_and_left() {
    let envelope = envelope_of("x");
    for text in [
        format!("KEY={envelope}"),
        format!("{{\"envelope\":\"{envelope}\"}}"),
        format!("{{\\\"envelope\\\":\\\"{envelope}\\\"}}"),
        format!("[\"{envelope}\",1]"),
        format!("{envelope},{envelope}"),
        format!("{envelope}; do not use"),
    ] {
        assert_eq!(inner(&text), None, "{text}");
        assert!(has_envelope(&text) && cut_after(&text).is_none(), "{text}");
    }
}

#[test]
fn a_cut_is_found_at_every_length_that_does_not_parse() {
    let mut unparsable = 0;
    for credential in ["x", "xy", "xyz", "sk-canary-0123456789-0123456789-0123456789"] {
        let envelope = envelope_of(credential);
        for length in 2..envelope.len() {
            let cut = envelope.get(..length).unwrap();
            assert_eq!(cut_after(&format!("{cut}...")), (length > 3).then_some(length), "{cut}");
            assert_eq!(cut_after(&format!("{cut} [truncated]")).is_some(), length > 3, "{cut}");
            assert_eq!(inner(&format!("{cut}\u{2026}")), None, "{cut}");
            if cut.parse::<Envelope>().is_err() {
                assert_eq!(cut_after(cut), Some(length), "{cut}");
                assert_eq!(inner(cut), None, "{cut}");
                assert!(length < 4 || cut_after(&format!("'{cut}'")).is_some(), "{cut}");
                unparsable += 1;
            }
        }
    }
    assert!(unparsable > 700, "{unparsable}");
}

#[test]
fn what_does_not_begin_as_an_envelope_is_not_cut() {
    for text in [
        "",
        "s",
        "sk",
        "sk-0123...",
        "sw",
        "sw1:a256!gcm",
        "sw1:hello",
        "sw1:hello world",
        "sw1:a256:k",
        "sw1:a256gcm:k=\u{e9}",
        "see sw1:a256gcm:k",
        "sw1:a256gcm:k:A:A:A:A",
        "sw1:a256gcm:k:A:A:A:A:A",
    ] {
        assert_eq!(cut_after(text), (text == "sw").then_some(2), "{text}");
    }
}
