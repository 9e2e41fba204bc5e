//! The binary. Everything is in the library, so that `python -m pytest_lens` does the same.

fn main() {
    std::process::exit(pytest_lens_cli::main(std::env::args_os()));
}
