//! Readable numbers, ages, names and nested errors.

use std::fmt;
use std::path::Path;
use std::time::Duration;

/// A number with thousands separators: `20,000`.
#[derive(Clone, Copy, Debug)]
pub struct Grouped(pub u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        f.pad(&text)
    }
}

/// Converts a length to a number of rows.
#[must_use]
pub fn number(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Returns a count with its noun: `3 rows`, `1 row`.
#[must_use]
pub fn rows(count: u64) -> String {
    counted(count, "row", "rows")
}

/// Returns a count with the noun for one or for several.
#[must_use]
pub fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{} {}", Grouped(count), if count == 1 { one } else { several })
}

/// Returns a number of seconds in its largest unit: `90` as `1m`.
#[must_use]
pub fn age(seconds: i64) -> String {
    match seconds {
        // A clock that was set back is no reason for `list` to fail.
        i64::MIN..0 => "0s".to_owned(),
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Returns a duration as text: `0.84 s`, `12.3 ms`.
#[must_use]
pub fn took(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        format!("{:.1} ms", duration.as_secs_f64() * 1_000.0)
    } else {
        format!("{:.2} s", duration.as_secs_f64())
    }
}

/// Escapes a name from the database for the terminal.
///
/// Otherwise anyone who can write to the database could control the terminal, or make one name look like
/// another.
#[must_use]
pub fn shown(name: &str) -> String {
    name.chars()
        .flat_map(|c| {
            let plain = (!is_invisible(c)).then_some(c);
            let escaped = is_invisible(c).then(|| c.escape_unicode());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// Escapes the invisible characters of a JSON text, which then has the same meaning.
///
/// JSON itself escapes only the control characters of ASCII.
#[must_use]
pub fn in_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside of its strings, which have none, JSON has line feeds.
        if is_invisible(c) && c != '\n' {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

/// Returns whether a character is not seen itself, but may change how the text around it is shown.
///
/// Besides what Unicode calls default ignorable (such as zero-width and bidirectional controls), these are
/// control characters, line and paragraph separators, and annotations.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{fff9}'..='\u{fffb}')
        || sealwax_credentials::is_default_ignorable(c)
}

/// Returns the path of a file that exists, escaped for the terminal.
#[must_use]
pub fn file(path: &Path) -> String {
    shown(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_threes() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(Grouped(number).to_string(), text);
        }
    }

    #[test]
    fn ages_use_the_largest_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (7_199, "1h"),
            (86_400, "1d"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn control_characters_are_shown_not_sent() {
        assert_eq!(shown("ac\u{1b}[31mme\n"), "ac\\u{1b}[31mme\\u{a}");
        assert_eq!(shown("Zoë GmbH"), "Zoë GmbH");
        assert_eq!(shown("e\u{301} हिन्दी ไทย 株式会社"), "e\u{301} हिन्दी ไทย 株式会社");
    }

    #[test]
    fn json_with_escapes_means_the_same() {
        let value = serde_json::json!({"ac\u{7f}\u{9b}me": ["\u{202e}\u{e0041}\n\u{0}", "Zoë 株"]});
        for json in [format!("{value}"), format!("{value:#}")] {
            let escaped = in_json(&json);
            assert!(!escaped.chars().any(|c| is_invisible(c) && c != '\n'));
            assert!(escaped.contains("ac\\u007f\\u009bme") && escaped.contains("Zoë 株"));
            assert!(escaped.contains("\\u202e\\udb40\\udc41\\n\\u0000"));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).unwrap(), value);
        }
    }

    #[test]
    fn what_makes_names_look_alike_is_shown() {
        let invisible = [
            "\u{ad}",
            "\u{61c}",
            "\u{200b}",
            "\u{200c}",
            "\u{200d}",
            "\u{200e}",
            "\u{200f}",
            "\u{2028}",
            "\u{2029}",
            "\u{202a}",
            "\u{202e}",
            "\u{2060}",
            "\u{2066}",
            "\u{2069}",
            "\u{3164}",
            "\u{fe0f}",
            "\u{feff}",
            "\u{e0041}",
            "\u{85}",
        ];
        for text in invisible {
            let escaped = text.escape_unicode();
            assert_eq!(shown(&format!("ac{text}me")), format!("ac{escaped}me"));
        }
        assert_eq!(invisible.len(), 19);
    }
}
