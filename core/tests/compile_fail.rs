//! C1: what a user sees who asks a storage for a listing that cannot give one.

#[test]
fn c1_code_that_lists_does_not_compile() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
