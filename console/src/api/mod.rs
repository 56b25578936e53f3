//! The admin API: the console's library over HTTP, for scripts and for a web console. A handler must never hold a rule of its own: it
//! reads what was asked, calls the library, and answers. Whoever has no token of an admin gets nowhere.

mod server;

mod edge;

mod guard;

mod asked;

mod admin;

mod letters;

mod groups;

mod jobs;

mod progress;

mod audit;

mod problem;

mod openapi;

pub use server::{Api, PREFIX, Parts};
