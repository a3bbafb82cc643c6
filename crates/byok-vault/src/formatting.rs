//! Readable numbers, ages, names and nested errors.

use std::fmt;
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
    format!("{} {}", Grouped(count), if count == 1 { "row" } else { "rows" })
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
/// Otherwise anyone who can write to the database could control the terminal.
#[must_use]
pub fn shown(name: &str) -> String {
    name.chars()
        .flat_map(|c| {
            let plain = (!c.is_control()).then_some(c);
            let escaped = c.is_control().then(|| c.escape_unicode());
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
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
    }
}
