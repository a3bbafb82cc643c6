//! Texts that are no secret because of their words.

use crate::reading::Reading;

/// What programs print for nothing.
const NOTHING: [&str; 15] = [
    "undefined",
    "null",
    "nil",
    "none",
    "nan",
    "infinity",
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

/// What a program writes instead of a secret.
const REDACTIONS: [&str; 6] =
    ["hidden", "masked", "filtered", "removed", "sensitive", "sensitive value"];

/// The words of placeholders.
///
/// A text is a placeholder if it consists of nothing else.
const PLACEHOLDERS: &str = "\
    a access account actual add admin ai an ant anthropic api app auth aws azure bar baz \
    bearer bot change claude client cloudflare cohere cred credential credentials deepseek \
    default demo dev discord dummy elevenlabs enter env example fake fill fireworks fixme \
    foo from gemini github gitlab goes google gpt groq gsk guest here hf huggingface hunter \
    id in insert invalid it key keys live llm me mistral mock my new notion of openai \
    openrouter or org pass passwd password paste perplexity pinecone pk placeholder proj \
    project put real replace replicate sample secret secrets sendgrid service set sk slack \
    some stripe supabase tbd telegram temp test text the this to todo together token twilio \
    user value with xai your yours";

/// The start of what somebody stores on purpose who tries a program or tests it.
const TEST_KEY: &str = "sk-test";

/// What somebody types who needs some digits.
const COUNTING: &str = "01234567890123456789";

/// The longest placeholder. It bounds the search for words.
const PLACEHOLDER_LIMIT: usize = 64;

pub(crate) fn nothing(reading: &Reading<'_>) -> bool {
    let word = without_brackets(reading.core);
    let password = word.rsplit(':').next().unwrap_or(word);
    reading.is_text
        && !reading.is_blank()
        && !reading.is_document
        && (word.trim_matches('-').is_empty()
            || NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(password)))
}

pub(crate) fn placeholder(reading: &Reading<'_>) -> bool {
    let text = without_brackets(reading.core);
    if text.starts_with(TEST_KEY) {
        return false;
    }
    let mut letters = text.chars().filter(|c| !is_separator(*c));
    let first = letters.next();
    let is_repeated = first.is_some_and(|first| {
        first.is_ascii_alphanumeric() && letters.all(|letter| letter == first)
    });
    // The name of a variable of a provider that is not among the words.
    let is_variable = text.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        && ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD"].iter().any(|end| text.ends_with(end));
    // `changeme123`
    let stem = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_numbered = stem.ends_with(|c: char| c.is_ascii_alphabetic())
        && text.len().saturating_sub(stem.len()) <= 4;
    let words = if is_numbered { stem } else { text };
    first.is_some()
        && (is_repeated
            || is_variable
            || COUNTING.contains(text)
            || (words.len() <= PLACEHOLDER_LIMIT && consists_of_words(words)))
}

/// Returns whether nothing is left of a text without words and separators.
fn consists_of_words(text: &str) -> bool {
    let text = text.trim_start_matches(is_separator);
    text.is_empty()
        || PLACEHOLDERS.split(' ').any(|word| {
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

/// Returns a text without what some programs put around words.
fn without_brackets(text: &str) -> &str {
    text.trim_matches(['<', '>', '(', ')', '[', ']', '{', '}', '@'])
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
