//! The load: orders drawn from the seed and sent at their time, whether or not the answers come; readers; a canary.
//!
//! [`order`] is what is asked for; [`client`] asks and keeps the ledger; [`load`] decides when; [`follower`] reads what
//! became of it; [`exhumer`] runs again what gave up; [`inquirer`]
//! asks for losses; [`canary`] tells when the whole system answers again.

pub mod canary;
pub mod client;
pub mod exhumer;
mod follower;
pub mod inquirer;
pub mod load;
pub mod order;
