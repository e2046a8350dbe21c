"""Plain JSON services over HTTP, as `jsonService` of a data source describes them."""
