// Writes a row as Go services do: the nonce in front of what gcm.Seal returns, in base64.
package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
)

func main() {
	key, nonce := make([]byte, 32), make([]byte, 12)
	for i := range key {
		key[i] = byte(i)
	}
	for i := range nonce {
		nonce[i] = byte(0x40 + i) // fixed, so that the row is the same each time
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	fmt.Println(base64.StdEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte("sk-test-123"), nil)))
}
