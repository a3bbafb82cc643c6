//! Rows of well-known services that take more than a [`Layout`](crate::triplet::Layout): a mark in
//! front, associated data, or a key derived for each row.
//!
//! [`crate::docs::legacy`] is the catalogue, with these and with the services whose rows are a
//! layout and nothing else; it tells what each is known to be weak in, and how to move over. All of
//! them have [`TripletKey`](crate::triplet::TripletKey) as their key. Written rows are for readers
//! that still need them.

pub mod cloak;
pub mod litellm;
pub mod n8n;
