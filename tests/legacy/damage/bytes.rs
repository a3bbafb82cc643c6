//! Damage to the encoded data: bits, lengths, and parts in each other's place.

use super::{LONG, each_row};
use crate::kinds::{Part, Refusal, TagPlace};

const TAG_LEN: usize = 16;

#[test]
fn every_bit() {
    each_row("a bit flipped", 15, 600_000, |subject, tally| {
        for (place, (part, bytes)) in subject.parts.iter().enumerate() {
            let expected = match part {
                Part::Mark | Part::Label => Refusal::Malformed,
                _ => Refusal::NotAuthentic,
            };
            for at in 0..bytes.len() {
                let bits = match bytes.len() {
                    ..=LONG => 0..8,
                    // One bit in each block, and a different one in the next.
                    _ if at % 16 == at / 16 % 16 => at % 8..at % 8 + 1,
                    _ => continue,
                };
                for bit in bits {
                    let mut bytes = bytes.clone();
                    bytes[at] ^= 1 << bit;
                    let what = || format!("bit {bit} of byte {at} of {part:?}");
                    let refusal = subject.refuse(&subject.with(place, bytes), tally, &what);
                    assert_eq!(refusal, Some(expected), "{}: {}", subject.origin, what());
                }
            }
        }
    });
}

/// Without the key, an attacker finds a tag of 4 bytes in 2^32 tries, and soon in fewer.
#[test]
fn every_other_length_of_a_tag() {
    each_row("a tag cut or grown", 15, 20_000, |subject, tally| {
        for (place, (part, tag)) in subject.parts.iter().enumerate() {
            // If the tag is joined to the ciphertext, the missing bytes are taken from it.
            let beside = match part {
                Part::Tag => Part::Ciphertext,
                Part::KeyTag => Part::WrappedKey,
                _ => continue,
            };
            let (_, beside) = subject.parts.iter().find(|(part, _)| *part == beside).unwrap();
            for len in (0..TAG_LEN).chain([17, 18, 24, 32, 64]) {
                let expected = match subject.kind.tag {
                    // The rest no longer has the length of a wrapped key.
                    _ if *part == Part::KeyTag => Refusal::Malformed,
                    TagPlace::Joined if beside.len() + len >= TAG_LEN => Refusal::NotAuthentic,
                    TagPlace::Joined | TagPlace::Apart => Refusal::Malformed,
                };
                let resized = tag.iter().cycle().copied().take(len).collect();
                let what = || format!("{part:?} of {len} bytes");
                let refusal = subject.refuse(&subject.with(place, resized), tally, &what);
                assert_eq!(refusal, Some(expected), "{}: {}", subject.origin, what());
            }
        }
    });
}

/// Exchanges parts with each other in the row, and with those of other rows under the same key.
#[test]
fn every_two_parts_exchanged() {
    each_row("parts exchanged", 15, 14_000, |subject, tally| {
        let (kind, name) = (subject.kind, subject.key.name.as_str());
        let same_key = |key: usize| std::ptr::eq(&raw const subject.file.keys[key], subject.key);
        let others = subject.file.rows.iter().filter(|other| same_key(other.key)).take(4);
        let others: Vec<_> =
            others.map(|other| kind.parse(name, &other.columns).unwrap()).collect();
        for (first, (part, bytes)) in subject.parts.iter().enumerate() {
            for (second, (other_part, other_bytes)) in subject.parts.iter().enumerate().skip(first)
            {
                let mut parts = subject.parts.clone();
                parts[first].1.clone_from(other_bytes);
                parts[second].1.clone_from(bytes);
                let row = kind.compose(name, &parts);
                subject.refuse(&row, tally, &|| format!("{part:?} and {other_part:?} exchanged"));
            }
            for other in &others {
                let row = subject.with(first, other[first].1.clone());
                subject.refuse(&row, tally, &|| format!("{part:?} of another row"));
            }
        }
    });
}

#[test]
fn bytes_added_and_taken_at_each_end_of_each_part() {
    let added: [&[u8]; 6] = [&[0], &[1], &[0xff], &[0; 4], &[0; 16], &[0x80; 32]];
    each_row("bytes added or taken", 15, 65_000, |subject, tally| {
        for (place, (part, bytes)) in subject.parts.iter().enumerate() {
            for more in added {
                let what = || format!("{} bytes more in {part:?}", more.len());
                for bytes in [[more, bytes].concat(), [bytes, more].concat()] {
                    subject.refuse(&subject.with(place, bytes), tally, &what);
                }
            }
            for fewer in [1, 2, 4, 12, 16, bytes.len()] {
                let Some(left) = bytes.len().checked_sub(fewer) else { continue };
                let what = || format!("{fewer} bytes fewer in {part:?}");
                for bytes in [&bytes[fewer..], &bytes[..left]] {
                    subject.refuse(&subject.with(place, bytes.to_vec()), tally, &what);
                }
            }
        }
    });
}
