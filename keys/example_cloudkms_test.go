package keys_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/wafer-sessions/wafer/keys"
)

// CloudKMS is the method of the client in AWS' SDK, github.com/aws/aws-sdk-go-v2/service/kms, that
// is needed here. The SDK signs the requests. Other clouds have the same under another name.
type CloudKMS interface {
	Decrypt(ctx context.Context, in *DecryptInput, options ...func(*Options)) (*DecryptOutput, error)
}

// These have the names of the SDK's types, and the fields that are used here.
type (
	DecryptInput struct {
		KeyId             *string
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}
	DecryptOutput struct{ Plaintext []byte }
	Options       struct{}
)

// CloudKEK returns a KEK that the KMS decrypts. The file holds it as the KMS encrypted it, which is
// safe to keep beside the ring. Make it once; a function that made a new one at every call would
// open no ring:
//
//	aws kms generate-data-key-without-plaintext --key-id alias/wafer --key-spec AES_256 \
//	    --encryption-context application=shop --output text --query CiphertextBlob | base64 -d > kek.aws
func CloudKEK(client CloudKMS, keyID, file string) keys.KEK {
	return keys.KEKFunc(func(ctx context.Context) ([]byte, error) {
		wrapped, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		out, err := client.Decrypt(ctx, &DecryptInput{
			KeyId:             &keyID, // so that a file encrypted with another key is refused
			CiphertextBlob:    wrapped,
			EncryptionContext: map[string]string{"application": "shop"},
		})
		if err != nil {
			return nil, err
		}
		return out.Plaintext, nil
	})
}

// A cloud's KMS keeps the key that encrypts the KEK, and never gives it away.
func ExampleKEKFunc_cloudKMS() {
	dir, err := os.MkdirTemp("", "wafer")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	server := newAWS(dir) // stands for the real one, and writes kek.aws
	defer server.Close()

	client := awsClient{server.URL} // kms.NewFromConfig(config)
	kek := CloudKEK(client, "alias/wafer", filepath.Join(dir, "kek.aws"))

	file, err := keys.OpenFile(context.Background(), filepath.Join(dir, "ring.jwe"), kek, keys.FileConfig{Create: true})
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	fmt.Println(len(file.Ring().Keys()), "key")
	// Output: 1 key
}
