//! Whatever is written: no panic, and what is accepted means what a second, plainer reading of it says.
//!
//! `cargo xtask fuzz` runs these with a million inputs each, `cargo test` with a few hundred.

mod images;
mod mutate;
mod named;
mod parts;
mod requests;
mod values;
