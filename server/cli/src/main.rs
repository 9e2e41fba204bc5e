//! The binary. Everything is in the library, so that rustdoc and tests see it.

/// A key in a large file makes and frees some 100,000 small objects: the system's allocator takes twice as long, and gives
/// the pages back after each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(pytest_lens_cli::main(std::env::args_os()));
}
