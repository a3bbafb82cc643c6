//! What a server or a spreadsheet leaves in the place of a credential.

use crate::characters::is_name;
use crate::reading::Reading;
use crate::words::starts_with_any_case;

/// Members with which the errors of services begin: those of OpenAI, Apigee, AWS, Django, FastAPI, GraphQL.
const ERRORS: [&str; 8] =
    ["error", "errors", "fault", "message", "Message", "detail", "statusCode", "__type"];

/// Names of members that a document with a key has, also if it has a member of an error.
const OF_A_KEY: [&str; 6] =
    ["key\":", "Key\":", "token\":", "Token\":", "secret\":", "password\":"];

/// What a spreadsheet shows instead of a value.
const CELLS: [&str; 12] = [
    "#REF!",
    "#N/A",
    "#VALUE!",
    "#NAME?",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#ERROR!",
    "#SPILL!",
    "#CALC!",
    "#BLOCKED!",
    "#UNKNOWN!",
];

/// A page, a document in XML, an error in JSON, or the head of a response.
pub(crate) fn response(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let is_head = text.strip_prefix("HTTP/").is_some_and(|rest| rest.contains(' '));
    is_head || is_markup(text) || is_error(text)
}

/// Returns whether a text is HTML or XML, which may have been cut off.
///
/// .NET writes RSA keys as XML.
pub(crate) fn is_markup(text: &str) -> bool {
    let is_declared =
        ["<!doctype", "<?xml", "<html"].iter().any(|start| starts_with_any_case(text, start));
    let is_element = text.strip_prefix('<').is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.ends_with('>')
            && (rest.contains("</") || rest.ends_with("/>"))
    });
    (is_declared || is_element) && !text.contains("KeyValue>")
}

fn is_error(text: &str) -> bool {
    let first = text.strip_prefix('{').and_then(|rest| rest.trim_start().strip_prefix('"'));
    let member = first.and_then(|rest| rest.split_once('"'));
    member.is_some_and(|(name, rest)| rest.trim_start().starts_with(':') && ERRORS.contains(&name))
        && !OF_A_KEY.iter().any(|name| text.contains(name))
}

/// A rounded number, an error in a cell, or a formula.
pub(crate) fn spreadsheet(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let formula = reading.visible.strip_prefix('=');
    let is_formula = formula.is_some_and(|formula| {
        let is_text = formula.starts_with('"') && formula.ends_with('"');
        let is_call = formula.split_once('(').is_some_and(|(name, _)| is_name(name))
            && formula.ends_with(')');
        is_text || is_call
    });
    CELLS.contains(&text) || is_formula || is_rounded(text)
}

/// `1.23457E+19`, also with a comma or without the `+`, and `12345678901234567000.0`.
///
/// A sign or a point is required, since a key in hex may have a single `e`.
fn is_rounded(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let text = text.strip_prefix('-').unwrap_or(text);
    let (number, exponent) =
        text.split_once(['E', 'e']).map_or((text, None), |(n, e)| (n, Some(e)));
    let (whole, decimals) =
        number.split_once(['.', ',']).map_or((number, None), |(whole, rest)| (whole, Some(rest)));
    let Some(exponent) = exponent else { return is_number(whole) && decimals == Some("0") };
    let digits = exponent.trim_start_matches(['+', '-']);
    is_number(whole)
        && decimals.is_none_or(is_number)
        && (decimals.is_some() || digits.len() < exponent.len())
        && (1..=3).contains(&digits.len())
        && is_number(digits)
}
