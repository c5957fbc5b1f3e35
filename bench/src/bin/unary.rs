//! Runs the unary scenario for a number of calls: `unary 10000`. `bench/gate.sh` counts it.

use std::process::ExitCode;

use outrider_bench::unary::World;

fn main() -> ExitCode {
    let calls = std::env::args().nth(1).and_then(|word| word.parse().ok());
    let Some(calls) = calls else {
        eprintln!("usage: unary CALLS");
        return ExitCode::from(2);
    };
    match World::new() {
        Ok(mut world) => {
            println!("{:?}", world.run(calls));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("unary: {error}");
            ExitCode::FAILURE
        }
    }
}
