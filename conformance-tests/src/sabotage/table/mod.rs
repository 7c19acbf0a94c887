//! The table of all sabotages.

mod backend;
mod engine;
mod errors;
mod exec;
mod init;
mod output;
mod plan;
mod request;
mod streams;
mod transfer;

use super::Sabotage;

pub(super) const TABLES: [&[Sabotage]; 10] = [
    engine::TABLE,
    output::TABLE,
    plan::TABLE,
    init::TABLE,
    request::TABLE,
    backend::TABLE,
    errors::TABLE,
    exec::TABLE,
    streams::TABLE,
    transfer::TABLE,
];
