//! Credentials as services issue them: none of them may be suspected of anything.
//!
//! The shapes are from the services' documentation and from the public rules of secret scanners. The
//! characters are invented.

use crate::of;
use crate::random::{ALPHANUMERIC, BASE64, BASE64URL, Dice, HEX, UPPER};

/// Prints a credential from a pattern: `{alphabet length}` is replaced by that many characters.
fn filled(pattern: &str, dice: &mut Dice) -> String {
    let mut parts = pattern.split('{');
    let mut text = parts.next().unwrap().to_owned();
    for part in parts {
        let (class, rest) = part.split_once('}').unwrap();
        let (alphabet, length) = class.split_once(' ').unwrap();
        let alphabet = match alphabet {
            "an" => ALPHANUMERIC,
            "b64" => BASE64,
            "url" => BASE64URL,
            "hex" => HEX,
            "up" => UPPER,
            "dig" => b"0123456789",
            other => panic!("no alphabet {other}"),
        };
        text += &dice.text(length.parse().unwrap(), alphabet);
        text += rest;
    }
    text
}

const UUID: &str = "{hex 8}-{hex 4}-{hex 4}-{hex 4}-{hex 12}";

const SHAPES: &[(&str, &str)] = &[
    ("OpenAI, earlier", "sk-{an 20}T3BlbkFJ{an 20}"),
    ("OpenAI, project", "sk-proj-{url 74}T3BlbkFJ{url 74}"),
    ("OpenAI, service account", "sk-svcacct-{url 74}T3BlbkFJ{url 74}"),
    ("OpenAI, admin", "sk-admin-{url 58}T3BlbkFJ{url 58}"),
    ("Anthropic", "sk-ant-api03-{url 93}AA"),
    ("Anthropic, admin", "sk-ant-admin01-{url 93}AA"),
    ("Google, API key", "AIza{url 35}"),
    ("Google, OAuth client secret", "GOCSPX-{url 28}"),
    ("Google, access token", "ya29.{url 140}"),
    ("Groq", "gsk_{an 52}"),
    ("Mistral", "{an 32}"),
    ("Cohere", "{an 40}"),
    ("DeepSeek", "sk-{hex 32}"),
    ("xAI", "xai-{an 80}"),
    ("Perplexity", "pplx-{an 48}"),
    ("Together", "{hex 64}"),
    ("Fireworks", "fw_{an 24}"),
    ("OpenRouter", "sk-or-v1-{hex 64}"),
    ("Hugging Face", "hf_{an 34}"),
    ("Replicate", "r8_{an 37}"),
    ("ElevenLabs", "sk_{hex 48}"),
    ("ElevenLabs, earlier", "{hex 32}"),
    ("Pinecone", "pcsk_{an 6}_{an 63}"),
    ("Fal", "{hex 8}-{hex 4}-{hex 4}-{hex 4}-{hex 12}:{hex 32}"),
    ("Voyage", "pa-{url 43}"),
    ("Jina", "jina_{an 60}"),
    ("Cerebras", "csk-{an 48}"),
    ("NVIDIA", "nvapi-{url 64}"),
    ("LangSmith", "lsv2_pt_{hex 32}_{hex 10}"),
    ("Tavily", "tvly-{an 32}"),
    ("Azure, hex", "{hex 32}"),
    ("Azure OpenAI, longer", "{an 84}"),
    ("Azure, client secret", "{an 3}8Q~{url 34}"),
    (
        "Azure, storage connection",
        "DefaultEndpointsProtocol=https;AccountName={an 12};AccountKey={b64 86}==;EndpointSuffix=core.windows.net",
    ),
    (
        "Azure, service bus",
        "Endpoint=sb://{an 8}.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={b64 43}=",
    ),
    ("Azure, SAS", "sv=2024-11-04&ss=b&srt=o&sp=r&se=2027-01-01T00:00:00Z&sig={an 40}%3D"),
    ("Azure DevOps", "{an 84}"),
    ("AWS, access key id", "AKIA{up 16}"),
    ("AWS, secret access key", "{b64 40}"),
    ("AWS, session token", "IQoJb3JpZ2luX2Vj{b64 300}=="),
    ("AWS, the pair", "AKIA{up 16}:{b64 40}"),
    ("AWS, Bedrock", "ABSK{b64 128}"),
    ("GitHub, classic", "ghp_{an 36}"),
    ("GitHub, fine-grained", "github_pat_{an 22}_{an 59}"),
    ("GitHub, installation", "ghs_{an 36}"),
    ("GitHub, installation, as a pair", "x-access-token:ghs_{an 36}"),
    ("GitLab", "glpat-{url 20}"),
    ("Bitbucket", "ATBB{an 32}"),
    ("Atlassian", "ATATT3xFfGF0{url 180}={hex 8}"),
    ("Slack, bot", "xoxb-{dig 12}-{dig 13}-{an 24}"),
    ("Slack, app", "xapp-1-A{up 10}-{dig 13}-{hex 64}"),
    ("Slack, webhook", "https://hooks.slack.com/services/T{up 10}/B{up 10}/{an 24}"),
    ("Stripe, test", "sk_test_{an 99}"),
    ("Stripe, restricted", "rk_live_{an 99}"),
    ("Stripe, webhook secret", "whsec_{an 32}"),
    ("Twilio, token", "{hex 32}"),
    ("Twilio, the pair", "AC{hex 32}:{hex 32}"),
    ("SendGrid", "SG.{url 22}.{url 43}"),
    ("Mailgun", "key-{hex 32}"),
    ("Mailgun, as a pair", "api:key-{hex 32}"),
    ("Mailchimp", "{hex 32}-us21"),
    ("Postmark", "{hex 8}-{hex 4}-{hex 4}-{hex 4}-{hex 12}"),
    ("Resend", "re_{an 8}_{an 24}"),
    ("Cloudflare", "{url 40}"),
    ("Cloudflare, prefixed", "cfut_{an 48}"),
    ("Cloudflare, origin", "v1.0-{hex 24}-{hex 146}"),
    ("DigitalOcean", "dop_v1_{hex 64}"),
    ("Databricks", "dapi{hex 32}-2"),
    ("Datadog", "{hex 40}"),
    ("Notion", "ntn_{dig 11}{an 35}"),
    ("Notion, earlier", "secret_{an 43}"),
    ("Linear", "lin_api_{an 40}"),
    ("npm", "npm_{an 36}"),
    ("PyPI", "pypi-AgEIcHlwaS5vcmc{url 150}"),
    ("crates.io", "cio{an 32}"),
    ("Shopify", "shpat_{hex 32}"),
    ("Discord", "{an 24}.{an 6}.{url 38}"),
    ("Telegram", "{dig 10}:AA{url 33}"),
    ("Facebook", "EAAC{an 160}"),
    ("Facebook, app", "{dig 15}|{url 27}"),
    ("Airtable", "pat{an 14}.{hex 64}"),
    ("Okta", "00{url 40}"),
    ("Doppler", "dp.pt.{an 43}"),
    ("Dynatrace", "dt0c01.{up 24}.{up 64}"),
    ("Grafana", "glsa_{an 32}_{hex 8}"),
    ("New Relic", "NRAK-{up 27}"),
    ("Sentry", "sntryu_{hex 64}"),
    ("Sentry, organization", "sntrys_eyJ{b64 120}=_{b64 43}"),
    ("PostHog", "phc_{an 43}"),
    ("Supabase", "sbp_{hex 40}"),
    ("Fly.io", "fm2_{b64 200}=="),
    ("Vault", "hvs.{url 95}"),
    ("1Password", "ops_eyJ{b64 300}"),
    ("Plaid", "access-sandbox-{hex 8}-{hex 4}-{hex 4}-{hex 4}-{hex 12}"),
    ("Postman", "PMAK-{hex 24}-{hex 34}"),
    ("Octopus", "API-{up 26}"),
    ("age", "AGE-SECRET-KEY-1{up 58}"),
    ("Ethereum", "0x{hex 64}"),
    ("a JWT", "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{url 120}.{url 342}"),
    (
        "a JWE",
        "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.{url 342}.{url 16}.{url 90}.{url 22}",
    ),
    ("a UUID", UUID),
    ("base64 of a random key", "{b64 43}="),
    ("base64 of a pair", "am86{b64 20}=="),
    ("a user and a password", "jo@example.org:{an 6}!{an 6}"),
    ("a user and a password that is a word", "user:password"),
    ("a password with a quote", "jo:{an 6}\"{an 6}'"),
    ("PostgreSQL", "postgres://jo:{an 16}@db.example.org:5432/app?sslmode=require"),
    ("MongoDB", "mongodb+srv://jo:{an 16}@cluster0.example.net/?retryWrites=true&w=majority"),
    ("Redis", "rediss://default:{an 32}@redis.example.org:6380/0"),
    ("a Sentry DSN", "https://{hex 32}@o{dig 6}.ingest.sentry.io/{dig 7}"),
    ("Vault, its address with a token", "vault://{an 16}@vault.example.org:8200/secret"),
    ("S3, with the pair", "s3://AKIA{up 16}:{an 40}@bucket"),
    ("digits", "{dig 20}"),
    ("a password of symbols", "{an 4}$%{an 4}&={an 4}?#"),
    // Words inside a key are no words of a program.
    ("a key with `test` inside", "{an 8}test{an 8}"),
    ("a key with `null` inside", "sk-null-{an 16}"),
    ("a key with `xxx` inside", "{an 8}xxx{an 8}"),
    ("a key with `undefined` in front", "undefined{an 16}"),
    ("a key with a placeholder in front", "your-api-key-{an 16}4"),
];

/// Documents, in which `{` is not the start of an alphabet.
fn documents(dice: &mut Dice) -> Vec<(&'static str, String)> {
    let mut pem = |kind: &str, line_end: &str| {
        let lines: String = (0..25).map(|_| dice.text(64, BASE64) + line_end).collect();
        format!("-----BEGIN {kind}-----{line_end}{lines}-----END {kind}-----{line_end}")
    };
    let escaped = pem("PRIVATE KEY", "\\n");
    vec![
        ("PEM", pem("PRIVATE KEY", "\n")),
        ("PEM with CRLF", pem("RSA PRIVATE KEY", "\r\n")),
        ("PEM without the last line end", pem("EC PRIVATE KEY", "\n").trim_end().to_owned()),
        ("a key of OpenSSH", pem("OPENSSH PRIVATE KEY", "\n")),
        ("a certificate and its key", pem("CERTIFICATE", "\n") + &pem("PRIVATE KEY", "\n")),
        (
            "a service account of Google",
            format!(
                "{{\n  \"type\": \"service_account\",\n  \"project_id\": \"customer-7\",\n  \
                 \"private_key\": \"{escaped}\",\n  \"client_email\": \
                 \"vault@customer-7.iam.gserviceaccount.com\"\n}}\n"
            ),
        ),
        (
            "a service account of Google whose names are those of stores",
            format!(
                "{{\"type\": \"service_account\", \"project_id\": \"acme-vault-prod\", \"private_key\": \
                 \"{escaped}\", \"client_email\": \"llm-secret-reader@acme-vault-prod.iam.gserviceaccount.com\", \
                 \"auth_uri\": \"https://accounts.google.com/o/oauth2/auth\", \"token_uri\": \
                 \"https://oauth2.googleapis.com/token\"}}"
            ),
        ),
        (
            "a key of .NET",
            "<RSAKeyValue><Modulus>4Jq8Zr2Lw0==</Modulus><D>5Kr9As3Mx1</D></RSAKeyValue>".to_owned(),
        ),
        ("LobeChat", "{\"openai\":{\"apiKey\":\"sk-proj-4Jq8Zr2Lw0\",\"baseURL\":\"\"}}".to_owned()),
        ("n8n", "{\"apiKey\":\"sk-proj-4Jq8Zr2Lw0\"}".to_owned()),
        (
            "Typebot",
            "{\"apiKey\": \"sk-proj-4Jq8Zr2Lw0\", \"name\": \"B\u{e9}a's key, old...\"}".to_owned(),
        ),
        (
            "a JWK",
            "{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr\",\"use\":\"sig\"}"
                .to_owned(),
        ),
    ]
}

#[test]
fn what_services_issue_is_not_suspected() {
    let mut seen = 0;
    for (service, pattern) in SHAPES {
        // The random characters differ, so that a rule that depends on them shows.
        for seed in 0..40 {
            assert_eq!(of(filled(pattern, &mut Dice(seed))), [], "{service}, seed {seed}");
        }
        seen += 1;
    }
    assert!(seen >= 110, "{seen}");
}

#[test]
fn documents_are_not_suspected() {
    let documents = documents(&mut Dice(7));
    assert_eq!(documents.len(), 12);
    for (what, text) in documents {
        assert_eq!(of(text), [], "{what}");
    }
}
