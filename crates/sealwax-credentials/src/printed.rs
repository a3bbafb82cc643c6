//! Objects and bytes as programs print or serialize them.

use crate::characters::is_name;
use crate::files::is_markup;
use crate::reading::Reading;

/// How programs begin to print an object, or bytes.
const PRINTED: [&str; 30] = [
    // JavaScript
    "[object ",
    "[Function",
    "[AsyncFunction",
    "[GeneratorFunction",
    "[class ",
    "[Getter",
    "[Circular",
    "[Object",
    "[Array",
    "[Symbol",
    "Symbol(",
    "Promise {",
    "function ",
    "async ",
    "() =>",
    "Map(",
    "Set(",
    "Uint8Array(",
    "BinData(",
    // .NET and PowerShell
    "System.",
    "Microsoft.",
    "Newtonsoft.",
    "@{",
    // Go
    "map[",
    "&{",
    "&map[",
    "[]uint8{",
    "[]byte{",
    // Java
    "Optional.empty",
    "OptionalInt.empty",
];

/// How serialized texts begin: tags of YAML, a text or an object of Java and a text of Ruby in base64.
const SERIALIZED: [&str; 8] =
    ["!!binary", "!!python", "!!str", "!!js", "!ruby/", "rO0ABX", "BAhJIg", "BAhbBkki"];

/// What has a value inside, or a secret: `Optional[…]` of Java, `Some(…)` of Rust and Scala.
const WRAPPERS: [&str; 19] = [
    "Optional",
    "Some",
    "Ok",
    "Err",
    "Right",
    "Left",
    "Success",
    "Failure",
    "Just",
    "Mutex",
    "RefCell",
    "Secret",
    "SecretBox",
    "SecretStr",
    "SecretString",
    "Sensitive",
    "Password",
    "Redacted",
    "Ref",
];

pub(crate) fn printed(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    // `b'...'`, `u'...'` of Python 2, and `X'...'` of SQL
    let is_literal = |quote: &char| {
        let rest = reading.visible.strip_prefix(['b', 'u', 'r', 'x', 'X', 'N', 'E']);
        rest.and_then(|rest| rest.strip_prefix(*quote)).is_some_and(|rest| rest.ends_with(*quote))
    };
    // `<Buffer 73 6b>`, `<object at 0x7f>`, `#<Proc:0x7f>`
    let in_angles = text.ends_with('>')
        && (text.starts_with("#<")
            || (text.starts_with(['<', '#']) && text.contains(' ') && !is_markup(text)));
    // `%!s(MISSING)`
    let is_verb = text.strip_prefix("%!").and_then(|rest| rest.get(1..));
    PRINTED.iter().chain(&SERIALIZED).any(|start| text.starts_with(start))
        || is_verb.is_some_and(|rest| rest.starts_with('(') && rest.ends_with(')'))
        || text.strip_prefix("\\x").is_some_and(is_hex)
        || ['\'', '"'].iter().any(is_literal)
        || in_angles
        || is_object(reading)
        || is_address(text)
        || is_list_of_bytes(text)
        || is_json_of_bytes(text)
        || is_of_php(reading.visible)
        || is_pickle(text)
}

/// `SecretStr('…')`, `Optional[…]`, `Key(id=…)`, `{key=…}`, `{Name:…}`, `{'key': …}`, `{"key"=>…}`.
///
/// `{"key": …}` is JSON, which may be a credential.
fn is_object(reading: &Reading<'_>) -> bool {
    let text = reading.visible.trim_start_matches('&');
    let Some(at) = text.find(['(', '[', '{']) else { return false };
    let (name, rest) = text.split_at(at);
    let closed = [('(', ')'), ('[', ']'), ('{', '}')].iter().find_map(|(open, close)| {
        rest.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close))
    });
    let Some(inside) = closed else { return false };
    let (name, inside) = (name.trim_end(), inside.trim());
    // A package or a module: `main.Key{…}`, `auth::Key { … }`.
    let name_alone = name.rsplit(['.', ':']).next().unwrap_or(name);
    let is_call = is_name(name_alone)
        && rest.starts_with('(')
        && inside.trim_start_matches('b').starts_with(['"', '\'', '[', '{']);
    let is_wrapper = !inside.is_empty() && WRAPPERS.contains(&name_alone);
    let has_a_name = is_name(name_alone) || (name.is_empty() && rest.starts_with('{'));
    is_call || is_wrapper || (has_a_name && has_members(inside))
}

/// Returns whether what is in brackets begins with the name of a member, and is no JSON.
fn has_members(inside: &str) -> bool {
    let symbol = inside.strip_prefix(':').unwrap_or(inside);
    let plain = symbol.split_once([':', '=']).is_some_and(|(name, value)| {
        is_name(name.trim_end()) && !value.is_empty() && !value.starts_with("//")
    });
    let quoted = ['\'', '"'].iter().any(|quote| {
        let member = inside.strip_prefix(*quote).and_then(|rest| rest.split_once(*quote));
        member.is_some_and(|(_, rest)| {
            let rest = rest.trim_start();
            rest.starts_with("=>") || (*quote == '\'' && rest.starts_with(':'))
        })
    });
    plain || quoted
}

/// `[C@6d06d69c` and `com.acme.Key@1b6d3586` of Java, `0xc000012120` of Go.
fn is_address(text: &str) -> bool {
    let is_of_java = text.split_once('@').is_some_and(|(class, hash)| {
        let is_class =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '$' | '_' | '[' | ';');
        // An address of email has its user in front, which rarely looks like a class in packages.
        let is_in_packages = class.split('.').count() > 2
            && class
                .rsplit('.')
                .next()
                .is_some_and(|c| c.starts_with(|c: char| c.is_ascii_uppercase()));
        (1..=8).contains(&hash.len())
            && is_hex(hash)
            && class.chars().all(is_class)
            && (class.starts_with('[') || is_in_packages)
    });
    let is_of_go = text.strip_prefix("0xc0").is_some_and(|rest| rest.len() == 8 && is_hex(rest));
    is_of_java || is_of_go
}

/// `115,107,45`, `[115 107 45]` and the like: bytes as numbers.
fn is_list_of_bytes(text: &str) -> bool {
    let text = text.trim_matches(['[', ']', '{', '}', '(', ')']);
    let mut numbers = text.split([',', ' ']).filter(|number| !number.is_empty());
    numbers.clone().nth(7).is_some() && numbers.all(|number| number.parse::<u8>().is_ok())
}

/// A buffer of Node, an array of bytes of JavaScript, or binary data of MongoDB, as JSON.
fn is_json_of_bytes(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('{') else { return false };
    let rest = rest.trim_start();
    let value = rest.strip_prefix("\"type\":").unwrap_or("").trim_start();
    value.starts_with("\"Buffer\"")
        || ["\"0\":", "\"$binary\":"].iter().any(|member| rest.starts_with(member))
}

/// `s:20:"…";`, `a:1:{…}`, `O:8:"…":1:{…}`, `i:7;` of PHP's `serialize`.
fn is_of_php(text: &str) -> bool {
    let Some((kind, rest)) = text.split_once(':') else { return false };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match kind {
        "s" | "a" | "O" | "C" | "E" => rest.split_once(':').is_some_and(|(length, rest)| {
            is_number(length) && rest.starts_with(['"', '{']) && rest.ends_with([';', '}', '"'])
        }),
        "i" | "b" | "d" => rest.strip_suffix(';').is_some_and(is_number),
        _ => false,
    }
}

/// A pickle of Python in base64: protocol 4 or 5, and a length of 8 bytes that ends in zeros.
fn is_pickle(text: &str) -> bool {
    ["gASV", "gAWV"].iter().any(|start| text.starts_with(start))
        && text.get(8..14) == Some("AAAAAA")
}

fn is_hex(digits: &str) -> bool {
    digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}
