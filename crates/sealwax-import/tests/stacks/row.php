<?php
// Writes a row as PHP services do: the IV and the tag in front of what openssl_encrypt returns, in base64.
$key = implode(array_map('chr', range(0, 31)));
$iv = implode(array_map('chr', range(0x40, 0x4b))); // fixed, so that the row is the same each time
$ciphertext = openssl_encrypt('sk-test-123', 'aes-256-gcm', $key, OPENSSL_RAW_DATA, $iv, $tag);
echo base64_encode($iv . $tag . $ciphertext), "\n";
