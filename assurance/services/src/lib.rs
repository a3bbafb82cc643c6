//! The code of the pages Services and Recipes.

#![forbid(unsafe_code)]

pub mod audit;
pub mod credentials;
pub mod failure;
pub mod recipes;
pub mod reload;
pub mod remote;
pub mod rotation;
pub mod signing_in;
pub mod start;
pub mod unlocking;
