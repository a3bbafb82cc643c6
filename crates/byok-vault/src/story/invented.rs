//! Invented credentials that look real, belong to nobody, and are the same in every run.

use crate::row::Owner;

/// The number of credentials.
pub const CREDENTIALS: u64 = 20_000;
/// The number of credentials of each tenant, one for each provider.
pub(super) const PROVIDERS: u64 = 8;

const ALPHANUMERIC: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE64: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const HEX: &[u8] = b"0123456789abcdef";

/// Returns the owner and the variable of the n-th credential.
#[must_use]
pub fn owner(n: u64) -> (Owner, String) {
    let (provider, variable) = match n % PROVIDERS {
        0 => ("openai", "OPENAI_API_KEY"),
        1 => ("anthropic", "ANTHROPIC_API_KEY"),
        2 => ("gemini", "GEMINI_API_KEY"),
        3 => ("mistral", "MISTRAL_API_KEY"),
        4 => ("groq", "GROQ_API_KEY"),
        5 => ("cohere", "COHERE_API_KEY"),
        6 => ("github-app", "GITHUB_APP_KEY"),
        _ => ("google-cloud", "SERVICE_ACCOUNT_JSON"),
    };
    let tenant = format!("tenant-{:04}", n / PROVIDERS);
    (Owner { tenant, provider: provider.to_owned(), label: None }, variable.to_owned())
}

/// Returns the n-th credential.
#[must_use]
pub fn credential(n: u64) -> String {
    let mut dice = Dice(n);
    match n % PROVIDERS {
        0 => format!("sk-proj-{}", dice.text(156, BASE64URL)),
        1 => format!("sk-ant-api03-{}AA", dice.text(93, BASE64URL)),
        2 => format!("AIza{}", dice.text(35, BASE64URL)),
        3 => dice.text(32, ALPHANUMERIC),
        4 => format!("gsk_{}", dice.text(52, ALPHANUMERIC)),
        5 => dice.text(40, ALPHANUMERIC),
        6 => pem(&mut dice, "\n"),
        _ => service_account(n, &mut dice),
    }
}

fn pem(dice: &mut Dice, line_end: &str) -> String {
    let body: String = (0..25).map(|_| dice.text(64, BASE64) + line_end).collect();
    let kind = "PRIVATE KEY";
    format!(
        "-----BEGIN {kind}-----{line_end}{body}{}=={line_end}-----END {kind}-----{line_end}",
        dice.text(22, BASE64)
    )
}

fn service_account(n: u64, dice: &mut Dice) -> String {
    let project = format!("customer-{}", n / PROVIDERS);
    let private_key_id = dice.text(40, HEX);
    let private_key = pem(dice, "\\n");
    format!(
        r#"{{
  "type": "service_account",
  "project_id": "{project}",
  "private_key_id": "{private_key_id}",
  "private_key": "{private_key}",
  "client_email": "vault@{project}.iam.gserviceaccount.com",
  "token_uri": "https://oauth2.googleapis.com/token"
}}
"#
    )
}

/// SplitMix64, which is repeatable and must not be the source of a secret.
struct Dice(u64);

impl Dice {
    fn text(&mut self, length: usize, alphabet: &[u8]) -> String {
        (0..length).map(|_| char::from(self.one_of(alphabet))).collect()
    }

    fn one_of(&mut self, alphabet: &[u8]) -> u8 {
        let sides = u64::try_from(alphabet.len()).unwrap_or(1);
        let side = usize::try_from(self.roll() % sides).unwrap_or(0);
        alphabet.get(side).copied().unwrap_or(b'0')
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
