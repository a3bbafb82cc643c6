pub mod cached;
pub mod fleet;
pub mod measured;
pub mod patient;
