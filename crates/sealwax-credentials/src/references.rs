//! Where a credential is, instead of the credential.

use crate::characters::{is_name, is_of_a_key};
use crate::reading::Reading;
use crate::words::ends_with_any_case;

/// How a value that is a reference begins.
const REFERENCES: &str = "\
    $( <% #{ process.env import.meta.env os.environ os.getenv ENV[ env( op:// secretref: \
    keyvaultref: arn:aws:secretsmanager: arn:aws:ssm: arn:aws-cn:secretsmanager: arn:aws-cn:ssm: \
    arn:aws-us-gov:secretsmanager: arn:aws-us-gov:ssm: @Microsoft.KeyVault( \
    file: ./ ../ ~/ /run/ /var/ /etc/ /home/ \
    /mnt/ /opt/ /tmp/ /Users/ $env: projects/";

/// The schemes of URLs that name a secret in a store, whole or between `+` and `-`: vals (helmfile), Spring,
/// Berglas, the plugins of secret stores, and the password managers.
const STORES: &str = "\
    1password akv asm awskms awssecrets awssm awsssm azkeyvault azkv azurekeyvault bao berglas \
    bitwarden bw bws chamber conjur credstash doppler env gcpkms gcpsecretmanager gcpsecrets gcpsm \
    gopass infisical k8s keepass keychain keyring keyvault kms kubernetes lastpass onepassword \
    openbao pass passbolt ref secret secretmanager secretref secrets secretsmanager sm sops ssm \
    tfstate vault";

/// How the names of files with keys end.
const FILES: [&str; 7] = [".pem", ".key", ".json", ".txt", ".env", ".p8", ".p12"];

pub(crate) fn reference(reading: &Reading<'_>) -> bool {
    let text = reading.core;
    let between = |start, end| text.strip_prefix(start).and_then(|text| text.strip_suffix(end));
    // GitHub's form is `${{ secrets.NAME }}`.
    let is_template = between("{{", "}}").or_else(|| between("${{", "}}")).is_some();
    let is_file = text.chars().all(|c| is_of_a_key(c) || matches!(c, '/' | '\\' | ' '))
        && FILES.iter().any(|end| ends_with_any_case(text, end));
    // `${NAME}` and `${NAME:-default}`, anywhere
    let is_expansion =
        |rest: &str| rest.split_once(['}', ':']).is_some_and(|(name, _)| is_name(name));
    let is_drive =
        text.get(1..3) == Some(":\\") && text.starts_with(|c: char| c.is_ascii_alphabetic());
    REFERENCES.split(' ').any(|start| text.starts_with(start))
        || text.strip_prefix('$').is_some_and(is_name)
        || between("%", "%").is_some_and(is_name)
        || is_template
        || is_file
        || text.split("${").skip(1).any(is_expansion)
        || is_drive
        || is_url_of_a_store(text)
        || is_path_in_a_store(text)
        || text.strip_prefix("env:").is_some_and(is_constant)
}

/// `ref+vault://secret/openai#/key`, `sm://project/secret`, and the address of a secret in Azure.
fn is_url_of_a_store(text: &str) -> bool {
    let is_of_a_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    // In a document, the text before the first URL is no scheme.
    let url = text.split_once("://").filter(|(scheme, _)| scheme.chars().all(is_of_a_scheme));
    url.is_some_and(|(scheme, rest)| {
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        // A URL with a user or a password is a credential for the store itself.
        (!host.contains('@')
            && scheme.split(['+', '-']).any(|part| STORES.split(' ').any(|store| store == part)))
            || (host.contains(".vault.") && path.starts_with("secrets/"))
    })
}

/// `vault:secret/data/openai#KEY` of bank-vaults; a user named `vault` has no path in front of a `#`.
fn is_path_in_a_store(text: &str) -> bool {
    let text = text.strip_prefix(">>").unwrap_or(text);
    ["vault:", "bao:"].iter().any(|store| {
        let path = text.strip_prefix(store).and_then(|text| text.split_once('#'));
        path.is_some_and(|(path, _)| {
            path.contains('/') && path.chars().all(|c| is_of_a_key(c) || c == '/')
        })
    })
}

fn is_constant(text: &str) -> bool {
    is_name(text) && text.contains('_') && !text.contains(|c: char| c.is_ascii_lowercase())
}
