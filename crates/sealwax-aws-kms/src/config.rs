//! What a caller sets: the key's ARN, and readable entries of the encryption context.

/// The entry of the encryption context that binds a wrap to its row.
pub(crate) const BOUND: &str = "sealwax";
/// A readable entry: the id under which the keyring holds the key.
pub(crate) const KEY_ID: &str = "sealwax-key-id";
/// The longest name and the longest value of an entry, in bytes.
const MAX_LEN: usize = 256;
/// How many entries a caller may add. With the entries of this crate, they fit the 8,192 bytes of a context.
pub(crate) const MAX_ENTRIES: usize = 8;

/// What is wrong with an ARN or an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The text is not the ARN of a key.
    #[error(
        "it is not the ARN of a key, such as arn:aws:kms:eu-central-1:111122223333:key/1234abcd-…"
    )]
    Arn,
    /// The name of the entry is not allowed.
    #[error(
        "a name has 1 to 256 letters, digits, '-', '_', '/', ':' or '.', and does not begin with \"sealwax\" or \"aws:\""
    )]
    Name,
    /// The value of the entry is not allowed.
    #[error("a value has 1 to 256 printable ASCII characters")]
    Value,
    /// The entry is there already.
    #[error("there is an entry with this name already")]
    Duplicate,
    /// There are too many entries.
    #[error("there are more than 8 entries")]
    TooMany,
}

/// Checks that a text is the ARN of a key, and not of an alias, which can be moved to another key.
pub(crate) fn check_arn(arn: &str) -> Result<(), ConfigError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [prefix, partition, service, region, account, resource] = parts[..] else {
        return Err(ConfigError::Arn);
    };
    let is_plain = |text: &str| text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let id = resource.strip_prefix("key/").unwrap_or_default();
    let is_arn = prefix == "arn"
        && service == "kms"
        && [partition, region, account, id]
            .into_iter()
            .all(|part| !part.is_empty() && is_plain(part));
    if is_arn { Ok(()) } else { Err(ConfigError::Arn) }
}

/// Checks the characters of an entry.
pub(crate) fn check_entry(name: &str, value: &str) -> Result<(), ConfigError> {
    let is_allowed = |c: u8| c.is_ascii_alphanumeric() || b"-_/:.".contains(&c);
    let begins =
        |prefix: &str| name.get(..prefix.len()).is_some_and(|s| s.eq_ignore_ascii_case(prefix));
    let is_name = (1..=MAX_LEN).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !begins(BOUND)
        && !begins("aws:");
    let is_value = (1..=MAX_LEN).contains(&value.len())
        && value.bytes().all(|c| c.is_ascii_graphic() || c == b' ');
    match (is_name, is_value) {
        (false, _) => Err(ConfigError::Name),
        (true, false) => Err(ConfigError::Value),
        (true, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigError, check_arn, check_entry};

    #[test]
    fn an_arn_is_of_a_key() {
        for good in [
            "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        ] {
            assert_eq!(check_arn(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "1234abcd-12ab-34cd-56ef-1234567890ab",
            "alias/byok",
            "arn:aws:kms:eu-central-1:111122223333:alias/byok",
            "arn:aws:kms:eu-central-1:111122223333:key/",
            "arn:aws:kms:eu-central-1:111122223333:key/1234/5",
            "arn:aws:kms:eu-central-1::key/1234",
            "arn:aws:kms::111122223333:key/1234",
            "arn:aws:s3:eu-central-1:111122223333:key/1234",
            "arn:aws:kms:eu-central-1:111122223333:key/1234 ",
        ] {
            assert_eq!(check_arn(bad), Err(ConfigError::Arn), "{bad}");
        }
    }

    #[test]
    fn an_entry_is_readable_and_not_ours() {
        let (longest, too_long) = ("n".repeat(256), "n".repeat(257));
        for good in ["service", "a", "team/billing:eu-1.x_y", &longest] {
            assert_eq!(check_entry(good, "a value = with \"all\" ~"), Ok(()), "{good}");
        }
        for bad in ["", "a b", "é", "sealwax", "Sealwax-x", "aws:x", "AWS:x", "a=b", &too_long] {
            assert_eq!(check_entry(bad, "v"), Err(ConfigError::Name), "{bad}");
        }
        for bad in ["", "é", "a\nb", "\u{7f}", &too_long] {
            assert_eq!(check_entry("n", bad), Err(ConfigError::Value), "{bad}");
        }
    }
}
