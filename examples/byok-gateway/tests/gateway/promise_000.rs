//! Promises of the first service.
