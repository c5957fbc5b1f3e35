//! The trust command: what our wire withstands, measured, beside the proxies of others.

fn main() -> std::process::ExitCode {
    outrider_tests::trust::main()
}
