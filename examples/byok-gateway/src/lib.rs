//! A gateway for customers' own API keys, as three processes over one database.
//!
//! - The **dashboard** stores keys, and cannot read them: it has a [`sealwax::Sealer`], and no key that opens.
//! - The **proxy** takes a customer's token, opens the key it stands for, and sends the request to the key's own host.
//! - The **worker** moves keys to the tenants' own master keys, verifies the audit log, deletes tenants, and changes the root.
//!
//! Read it in this order.

// What is configured, and which process gets which key.
pub mod config;
pub mod files;

// The database.
pub mod store;

// The keyring of the service, and what opens a customer's key.
pub mod ring;
pub mod vault;

// What the processes have in common.
pub mod clock;
pub mod providers;
pub mod tokens;
pub mod web;

// The three processes.
pub mod dashboard;
pub mod proxy;
pub mod worker;

// What an operator runs.
pub mod demo;
pub mod doctor;
pub mod drill;
pub mod epoch;
pub mod import;
pub mod init;
