//! The contract: every golden fixture is read and written back byte for byte, what must be refused is refused by name,
//! and the JSON Schemas that are checked in are those of the types.

mod fixture;

mod json;
mod line;
mod named;
