//! The table of all sabotages.

mod backend;
mod engine;
mod errors;
mod output;
mod plan;
mod request;

use super::Sabotage;

pub(super) const TABLES: [&[Sabotage]; 6] = [
    engine::TABLE,
    output::TABLE,
    plan::TABLE,
    request::TABLE,
    backend::TABLE,
    errors::TABLE,
];
