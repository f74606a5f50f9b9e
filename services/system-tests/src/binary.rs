//! Where the binary under test lies.

use std::path::PathBuf;

/// The built `millstream`: MILLSTREAM_BIN, else the one of the profile that this test was built with.
///
/// # Panics
/// If there is none: a test that lacks what it tests fails.
pub fn millstream() -> PathBuf {
    let found =
        std::env::var_os("MILLSTREAM_BIN").filter(|path| !path.is_empty()).map_or_else(beside_this_test, PathBuf::from);
    assert!(
        found.is_file(),
        "there is no {}: build it with `cargo build --bin millstream`, or name one in MILLSTREAM_BIN",
        found.display()
    );
    found
}

/// Test programs lie in `target/<profile>/deps`.
fn beside_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("a program knows where it lies");
    let profile = test.ancestors().nth(2).expect("target/<profile>/deps/<test>");
    profile.join("millstream")
}
