#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod flights;

pub use flights::Flights;
