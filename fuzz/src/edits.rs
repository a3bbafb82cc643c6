//! What an attacker or a bad disk does to a row.

use super::input::Input;

/// Changes, inserts, deletes or duplicates bytes of a row, or replaces its end with a part of another row.
pub fn edit(row: &mut Vec<u8>, other: &[u8], input: &mut Input<'_>) {
    let edit = input.below(5);
    let at = input.u16() % (row.len() + 1);
    match edit {
        0 => {
            if let Some(byte) = row.get_mut(at) {
                *byte ^= input.byte();
            }
        }
        1 => row.insert(at, input.byte()),
        2 => {
            let end = row.len().min(at + 1 + input.below(64));
            drop(row.drain(at..end));
        }
        3 => {
            let doubled = row[at..row.len().min(at + input.below(64))].to_vec();
            drop(row.splice(at..at, doubled));
        }
        _ => {
            let from = input.u16() % (other.len() + 1);
            row.truncate(at);
            row.extend_from_slice(&other[from..]);
        }
    }
}

/// Returns texts that are one step away from one that a strict reader accepts; most of them must be rejected. Fuzzing
/// reaches them only by chance, and a minimised corpus drops inputs that run no new code, but a lenient reader would
/// accept them.
pub fn neighbours(text: &str) -> Vec<String> {
    let mut neighbours = vec![
        text.to_ascii_uppercase(),
        format!(" {text}"),
        format!("\u{feff}{text}"),
        format!("{text} "),
        format!("{text}\n"),
        format!("{text}="),
        text.trim_end_matches('=').to_owned(),
        without_last(text).to_owned(),
    ];
    // Each field with another last character. In base64, another character often decodes to the same bytes.
    let ends = text.match_indices([':', ',', '.', '\n', '=']).map(|(at, _)| at).take(MAX_FIELDS);
    for (front, rest) in ends.chain([text.len()]).map(|end| text.split_at(end)) {
        if let Some(last @ '0'..'z') = front.chars().next_back() {
            let next = char::from_u32(u32::from(last) + 1).unwrap_or(last);
            neighbours.push(format!("{}{next}{rest}", without_last(front)));
        }
    }
    neighbours
}

const MAX_FIELDS: usize = 16;

fn without_last(text: &str) -> &str {
    let mut characters = text.chars();
    _ = characters.next_back();
    characters.as_str()
}
