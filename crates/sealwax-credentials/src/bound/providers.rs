//! Where well-known services expect their keys, as their documentation says.

use http::HeaderName;

use super::KeyHeader;

/// A service, the host of its API, and the header that it expects a key in.
///
/// It is data for a form in which a customer picks a service, and nothing in this crate uses it: a service may have
/// other hosts, for a region or for a kind of model, and may change them. What you seal for is up to you.
#[derive(Debug)]
#[non_exhaustive]
pub struct Provider {
    /// The name of the service.
    pub name: &'static str,
    /// The host, for [`with_hosts`](sealwax::EncryptionContext::with_hosts).
    pub host: &'static str,
    /// The header that carries the key.
    pub header: KeyHeader,
    /// The page that says so.
    pub page: &'static str,
}

const fn of(
    name: &'static str,
    host: &'static str,
    header: KeyHeader,
    page: &'static str,
) -> Provider {
    Provider { name, host, header, page }
}

/// Well-known services, in alphabetical order.
pub static PROVIDERS: [Provider; 14] = [
    of(
        "Anthropic",
        "api.anthropic.com",
        KeyHeader::X_API_KEY,
        "https://platform.claude.com/docs/en/api/overview",
    ),
    of(
        "Cohere",
        "api.cohere.com",
        KeyHeader::BEARER,
        "https://github.com/cohere-ai/cohere-developer-experience/blob/main/cohere-openapi.yaml",
    ),
    of(
        "Deepgram",
        "api.deepgram.com",
        KeyHeader::TOKEN,
        "https://developers.deepgram.com/docs/authenticating",
    ),
    of(
        "DeepSeek",
        "api.deepseek.com",
        KeyHeader::BEARER,
        "https://api-docs.deepseek.com/api_samples/chat_curl",
    ),
    of(
        "ElevenLabs",
        "api.elevenlabs.io",
        KeyHeader::of(HeaderName::from_static("xi-api-key"), ""),
        "https://elevenlabs.io/docs/api-reference/authentication",
    ),
    of(
        "Gemini",
        "generativelanguage.googleapis.com",
        KeyHeader::X_GOOG_API_KEY,
        "https://ai.google.dev/api",
    ),
    of("Groq", "api.groq.com", KeyHeader::BEARER, "https://console.groq.com/docs/openai"),
    of(
        "Hugging Face",
        "router.huggingface.co",
        KeyHeader::BEARER,
        "https://huggingface.co/docs/inference-providers/index",
    ),
    of("Mistral", "api.mistral.ai", KeyHeader::BEARER, "https://docs.mistral.ai/api"),
    of(
        "OpenAI",
        "api.openai.com",
        KeyHeader::BEARER,
        "https://github.com/openai/openai-openapi/blob/master/openapi.yaml",
    ),
    of(
        "OpenRouter",
        "openrouter.ai",
        KeyHeader::BEARER,
        "https://openrouter.ai/docs/guides/overview/auth/api-keys",
    ),
    of(
        "Replicate",
        "api.replicate.com",
        KeyHeader::BEARER,
        "https://replicate.com/docs/topics/security/api-tokens",
    ),
    of(
        "Together",
        "api.together.ai",
        KeyHeader::BEARER,
        "https://docs.together.ai/docs/inference/openai-compatibility",
    ),
    of("xAI", "api.x.ai", KeyHeader::BEARER, "https://docs.x.ai/api"),
];
