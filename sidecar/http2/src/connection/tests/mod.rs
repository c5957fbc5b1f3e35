//! A connection against raw frames: no second implementation that would be too polite.

mod bed;
mod chunks;
mod errors;
mod floods;
mod flow;
mod foreign;
mod messages;
mod progress;
mod sending;
mod small;
mod vectors;
mod work;
