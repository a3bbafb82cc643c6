//! Rows of well-known services that need more than a [`Layout`](crate::triplet::Layout).
//!
//! These rows have a mark in front, associated data, or a key that is derived for each row.
//! [`crate::docs::legacy`] is the catalogue of these services, and of those whose rows need only a
//! layout. It lists the known weaknesses of each service and the steps to migrate. All of them use a
//! [`TripletKey`](crate::triplet::TripletKey). Write such rows only for readers that still need them.
//!
//! | Service | Read | Write | More |
//! |---|---|---|---|
//! | Elixir's Cloak | [`cloak::decrypt`] | [`cloak::encrypt`], [`cloak::encrypt_with_rng`] | [`cloak::label`] |
//! | LiteLLM | [`litellm::decrypt`] | [`litellm::encrypt`], [`litellm::encrypt_with_rng`] | [`litellm::Version`], [`litellm::insecure_key`] |
//! | n8n | [`n8n::decrypt`] | [`n8n::encrypt`], [`n8n::encrypt_with_rng`] | [`n8n::key_id`], [`n8n::insecure_unwrap_key`] |

pub mod cloak;
pub mod litellm;
pub mod n8n;
