//! What is wrong with a declaration is said at compile time, with the fix.
//!
//! `TRYBUILD=overwrite cargo test -p bellwether-core --test declarations` writes the expected
//! messages anew; read them as somebody who has just made that mistake.

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
