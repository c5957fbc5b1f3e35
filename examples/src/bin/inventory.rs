//! The shop's `inventory` as a program; see `outrider_examples::Options` for its environment.

use std::process::ExitCode;

fn main() -> ExitCode {
    outrider_examples::main(outrider_examples::Service::Inventory, "inventory")
}
