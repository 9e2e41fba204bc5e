//! The binary: everything it does is in the library, so that `python -m pytest_lens` can do the same.

fn main() {
    std::process::exit(pytest_lens_cli::main(std::env::args_os()));
}
