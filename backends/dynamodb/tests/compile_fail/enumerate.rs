use token_storage_core::Enumerate;
use token_storage_dynamodb::DynamoDbStorage;

fn back_up(_storage: &impl Enumerate) {}

fn on_dynamodb(storage: DynamoDbStorage) {
    back_up(&storage);
}

fn main() {}
