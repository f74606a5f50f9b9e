//! The real stack under test: started, killed in part, its books checked.
//!
//! Nothing of Millstream is linked here but by the tests: the binary is started as a stranger starts it, and Redis is
//! read over a plain connection. In reading order: [`redis`] a server of a test's own; [`process`] one process of the
//! binary; [`stack`] a whole installation; [`client`] and [`body`] the API from outside; [`storm`] many clients at
//! once; [`books`] what lies in Redis, [`monitor`] what it is told and [`scrape`] what the services count; [`receiver`]
//! whom webhooks are delivered to; [`eventually`] the only way to wait.

mod binary;
pub mod body;
pub mod books;
pub mod client;
pub mod eventually;
pub mod monitor;
pub mod process;
pub mod receiver;
pub mod redis;
pub mod scrape;
pub mod stack;
pub mod storm;
