use token_storage_core::Enumerate;

struct KeyValue;

fn back_up(_storage: &impl Enumerate) {}

fn on_a_key_value_store(storage: KeyValue) {
    back_up(&storage);
}

fn main() {}
