//! Rows of well-known services that need more than a [`Layout`](crate::triplet::Layout).
//!
//! These rows have a mark in front, associated data, or a key that is derived for each row.
//! [`crate::docs::legacy`] is the catalogue of these services, and of those whose rows need only a
//! layout. It lists the known weaknesses of each service and the steps to migrate. All of them use a
//! [`TripletKey`](crate::triplet::TripletKey). Write such rows only for readers that still need them.

pub mod cloak;
pub mod litellm;
pub mod n8n;
