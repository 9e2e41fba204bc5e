//! The binary. Everything is in the library, so that rustdoc and tests see it.

fn main() {
    std::process::exit(pytest_lens_cli::main(std::env::args_os()));
}
