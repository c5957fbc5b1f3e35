//! The engine as its loop sees it: exact sequences, looked at from every party's side.

mod world;

mod answer;
mod authorization;
mod balance;
mod blame;
mod call;
mod cancels;
mod decisions;
mod discovery;
mod drain;
mod dribble;
mod families;
mod flow;
mod foreign;
mod frames;
mod goaway;
mod handshakes;
mod identity;
mod keepalive;
mod lifetimes;
mod messages;
mod no_endpoint;
mod pool;
mod rate_limit;
mod ready;
mod relief;
mod resets;
mod streams;
mod trace;
mod tries;
mod trust;
