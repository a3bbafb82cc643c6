//! Texts that are no secret because of their words.

use crate::characters::is_name;
use crate::reading::Reading;

/// What programs print for nothing.
const NOTHING: [&str; 14] = [
    "undefined",
    "null",
    "nil",
    "none",
    "nan",
    "void",
    "no value",
    "empty",
    "not set",
    "unset",
    "missing",
    "true",
    "false",
    "n/a",
];

/// How programs begin to print an object, or bytes.
const PRINTED: [&str; 9] =
    ["[object ", "[B@", "System.", "Promise {", "function ", "async ", "%!s(", "%!v(", "map["];

/// How a value that is a reference begins.
const REFERENCES: [&str; 25] = [
    "$(",
    "<%",
    "#{",
    "process.env",
    "import.meta.env",
    "os.environ",
    "os.getenv",
    "ENV[",
    "env(",
    "op://",
    "secretref:",
    "arn:aws:secretsmanager:",
    "@Microsoft.KeyVault(",
    "file:",
    "./",
    "../",
    "~/",
    "/run/",
    "/var/",
    "/etc/",
    "/home/",
    "/mnt/",
    "/opt/",
    "/tmp/",
    "/Users/",
];

/// What a program writes instead of a secret.
const REDACTIONS: [&str; 6] =
    ["hidden", "masked", "filtered", "removed", "sensitive", "sensitive value"];

/// The words of placeholders.
///
/// A text is a placeholder if it consists of nothing else. Digits are not among them.
const PLACEHOLDERS: [&str; 98] = [
    "a",
    "access",
    "account",
    "actual",
    "add",
    "admin",
    "ai",
    "an",
    "ant",
    "anthropic",
    "api",
    "app",
    "auth",
    "aws",
    "azure",
    "bar",
    "baz",
    "bearer",
    "bot",
    "change",
    "claude",
    "client",
    "cohere",
    "cred",
    "credential",
    "credentials",
    "default",
    "demo",
    "dev",
    "dummy",
    "enter",
    "env",
    "example",
    "fake",
    "fill",
    "fixme",
    "foo",
    "from",
    "gemini",
    "github",
    "goes",
    "google",
    "gpt",
    "groq",
    "gsk",
    "guest",
    "here",
    "hf",
    "id",
    "in",
    "insert",
    "invalid",
    "it",
    "key",
    "keys",
    "live",
    "llm",
    "me",
    "mistral",
    "mock",
    "my",
    "new",
    "of",
    "openai",
    "or",
    "org",
    "pass",
    "passwd",
    "password",
    "paste",
    "pk",
    "placeholder",
    "proj",
    "project",
    "put",
    "real",
    "replace",
    "sample",
    "secret",
    "secrets",
    "service",
    "set",
    "sk",
    "some",
    "tbd",
    "temp",
    "test",
    "text",
    "the",
    "this",
    "to",
    "todo",
    "token",
    "user",
    "value",
    "with",
    "your",
    "yours",
];

/// The longest placeholder. It bounds the search for words.
const PLACEHOLDER_LIMIT: usize = 64;

pub(crate) fn nothing(reading: &Reading<'_>) -> bool {
    let word = without_brackets(reading.core);
    reading.is_text
        && !reading.is_blank()
        && (word.trim_matches('-').is_empty()
            || NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(word)))
}

pub(crate) fn printed(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    // `b'...'`
    let is_bytes = |quote: &char| {
        let rest = reading.visible.strip_prefix('b').and_then(|rest| rest.strip_prefix(*quote));
        rest.is_some_and(|rest| rest.ends_with(*quote))
    };
    // `<Buffer 73 6b>`, `<object at 0x7f>`
    let in_angles = text.starts_with(['<', '#']) && text.ends_with('>') && text.contains(' ');
    // `SecretStr('...')`, `Secret([REDACTED])`
    let is_call = text.split_once('(').is_some_and(|(name, rest)| {
        is_name(name) && rest.starts_with(['"', '\'', '[', '{']) && rest.ends_with(')')
    });
    // A buffer of Node as JSON.
    let is_buffer = text.strip_prefix('{').is_some_and(|rest| {
        let rest = rest.trim_start().strip_prefix("\"type\":").unwrap_or("");
        rest.trim_start().starts_with("\"Buffer\"")
    });
    PRINTED.iter().any(|start| text.starts_with(start))
        || text.strip_prefix("\\x").is_some_and(is_hex)
        || ['\'', '"'].iter().any(is_bytes)
        || in_angles
        || is_call
        || is_buffer
}

pub(crate) fn placeholder(reading: &Reading<'_>) -> bool {
    let text = without_brackets(reading.core);
    let mut letters = text.chars().filter(|c| !is_separator(*c));
    let first = letters.next();
    let is_repeated = first.is_some_and(|first| {
        first.is_ascii_alphanumeric() && letters.all(|letter| letter == first)
    });
    is_repeated || (first.is_some() && text.len() <= PLACEHOLDER_LIMIT && consists_of_words(text))
}

/// Returns whether nothing is left of a text without words and separators.
fn consists_of_words(text: &str) -> bool {
    let text = text.trim_start_matches(is_separator);
    text.is_empty()
        || PLACEHOLDERS.iter().any(|word| {
            starts_with_any_case(text, word)
                && text.get(word.len()..).is_some_and(consists_of_words)
        })
}

fn is_separator(c: char) -> bool {
    matches!(c, '-' | '_' | '.' | ' ' | '/')
}

pub(crate) fn masked(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let word = without_brackets(text);
    let is_dot = |c: char| {
        matches!(c, '\u{2022}' | '\u{25cf}' | '\u{2219}' | '\u{25aa}' | '\u{2588}' | '\u{2026}')
    };
    let last = text.rsplit(['-', '_']).next().unwrap_or("");
    let is_blanked = last.len() >= 4 && last.bytes().all(|byte| matches!(byte, b'x' | b'X'));
    let runs = ["***", "###", "...", "xxxxxx", "XXXXXX"];
    !reading.is_document
        && (text.contains(is_dot)
            || runs.iter().any(|run| text.contains(run))
            || is_blanked
            || contains_any_case(text, "redacted")
            || REDACTIONS.iter().any(|redaction| redaction.eq_ignore_ascii_case(word)))
}

pub(crate) fn reference(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let between = |start, end| text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    // `${NAME}` and `${NAME:-default}`, anywhere
    let is_expansion =
        |rest: &str| rest.split_once(['}', ':']).is_some_and(|(name, _)| is_name(name));
    let is_drive =
        text.get(1..3) == Some(":\\") && text.starts_with(|c: char| c.is_ascii_alphabetic());
    REFERENCES.iter().any(|start| text.starts_with(start))
        || text.strip_prefix('$').is_some_and(is_name)
        || between("%", "%").is_some_and(is_name)
        || between("{{", "}}").is_some()
        || text.split("${").skip(1).any(is_expansion)
        || is_drive
}

/// Returns a text without what some programs put around words.
fn without_brackets(text: &str) -> &str {
    text.trim_matches(['<', '>', '(', ')', '[', ']', '{', '}'])
}

pub(crate) fn starts_with_any_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}

pub(crate) fn ends_with_any_case(text: &str, end: &str) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

pub(crate) fn contains_any_case(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|found| found.eq_ignore_ascii_case(part.as_bytes()))
}
