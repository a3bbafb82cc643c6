//! What programs leave in the place of a credential, and texts like it that are none of that.

use sealwax_credentials::Suspicion::{self, *};

use crate::of;
use crate::random::{BASE64, Dice};

/// A kind, texts that have it, and texts that do not: one a line, with `⏎` for a line end.
const ROWS: [(Suspicion, &str, &str); 5] = [
    (
        Printed,
        r##"
[C@6d06d69c
[Ljava.lang.String;@1b6d3586
com.acme.Credential@1b6d3586
Optional[4Jq8Zr2Lw0]
Optional.empty
#<Proc:0x00007f8b1c0a5e28>
#<Credential:0x0000>
<function get_key at 0x7f3a>
<generator object keys at 0x7f3a>
dict_values(['4Jq8Zr2Lw0'])
{'key': '4Jq8Zr2Lw0'}
{"key"=>"4Jq8Zr2Lw0"}
{:key=>"4Jq8Zr2Lw0"}
{key: "4Jq8Zr2Lw0"}
{key=4Jq8Zr2Lw0}
Credential(key=4Jq8Zr2Lw0)
Credential[key=4Jq8Zr2Lw0]
Credential{key='4Jq8Zr2Lw0'}
Secret { value: "4Jq8Zr2Lw0" }
&{4Jq8Zr2Lw0}
&main.Key{Name:4Jq8Zr2Lw0}
{Name:openai Key:4Jq8Zr2Lw0}
map[key:4Jq8Zr2Lw0]
%!d(string=4Jq8Zr2Lw0)
0xc000012120
Some(4Jq8Zr2Lw0)
Ok("4Jq8Zr2Lw0")
Err(NotPresent)
[AsyncFunction: getKey]
[object Map]
Map(1) {}
115,107,45,112,114,111,106,45
[115 107 45 112 114 111 106 45]
{"0":115,"1":107}
{"$binary":{"base64":"c2s="}}
System.Security.SecureString
System.Object[]
Microsoft.Extensions.Configuration.ConfigurationSection
@{key=4Jq8Zr2Lw0}
s:10:"4Jq8Zr2Lw0";
a:1:{i:0;s:10:"4Jq8Zr2Lw0";}
O:6:"Secret":1:{s:1:"k";s:1:"v";}
i:1234567;
!!binary c2stcHJvag==
BAhJIg80SnE4WnIyTHcwBjoGRVQ=
rO0ABXQACjRKcThacjJMdzA=
gASVDgAAAAAAAACMCjRKcThacjJMdzCULg==
X'736b2d70726f6a'
"##,
        r##"
s:4Jq8Zr2Lw0
a:12:4Jq8Zr2Lw0
jo:20:"4Jq8Zr2Lw0";
jo@1b6d3586
jo.doe@1b6d3586
0xc0ffee4Jq8
{SSHA}4Jq8Zr2Lw0
Jo(4Jq8Zr2Lw0)
4Jq8{k=Zr2Lw0
[C@4Jq8Zr2Lw0
115,107,456,112,114,111,106,45
{"key":"4Jq8Zr2Lw0","about":"a=>b"}
gASV4Jq8Zr2Lw0
%!4Jq8(Zr2Lw0)
!!4Jq8Zr2Lw0
<Error><Code>A B</Code></Error>
{https://4Jq8Zr2Lw0}
"##,
    ),
    (
        Reference,
        r##"
ref+vault://secret/openai#/key
secretref+awssecrets://openai
vault:secret/data/openai#OPENAI_API_KEY
>>vault:secret/data/openai#KEY
bao:secret/openai#key
sm://project/openai
awsssm://openai/key
aws-secretsmanager://openai
gcpsecretmanager://projects/x
keyvault://acme/openai
arn:aws:ssm:eu-west-1:123456789012:parameter/key
arn:aws:secretsmanager:eu-west-1:1:secret:x
@Microsoft.KeyVault(VaultName=acme;SecretName=key)
keyvaultref:https://acme.vault.azure.net/secrets/x
https://acme.vault.azure.net/secrets/openai/1
{{resolve:secretsmanager:openai:SecretString:key}}
env:OPENAI_API_KEY
env://OPENAI_API_KEY
k8s://default/openai
"##,
        r##"
vault:4Jq8Zr#2Lw0
vault:4Jq8/Zr2=#Lw0
vault://jo:4Jq8Zr2Lw0@vault.example.org/x
s3://AKIA4Jq8:Zr2Lw0@bucket
env:4Jq8Zr2Lw0
ref+4Jq8Zr2Lw0
smb://jo:4Jq8Zr2Lw0@host/x
https://hooks.example.org/secrets/4Jq8Zr2Lw0
"##,
    ),
    (
        Response,
        r##"
<Error><Code>AccessDenied</Code></Error>
<?xml version="1.0"?><Error/>
<?xml version="1.0" encoding="UTF-8"?>⏎<Error><Code>NoSuch
<!DOCTYPE html><html>
<!doctype html>⏎<title>404</title>
<html><body>502 Bad Gateway</body></html>
<HTML>
<Error/>
HTTP/1.1 401 Unauthorized⏎⏎
{"error":"invalid_client"}
{"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}}
{"errors":[{"status":404}]}
{"message":"Not Found"}
{"detail":"Not found."}
{"statusCode":401}
{"__type":"AccessDeniedException"}
"##,
        r##"
<4Jq8Zr2Lw0>
<your key>
<RSAKeyValue><Modulus>4Jq8Zr2L</Modulus></RSAKeyValue>
{"error":null,"api_key":"4Jq8Zr2Lw0"}
{"code":"4Jq8Zr2Lw0"}
{"key":"4Jq8Zr2Lw0","error":null}
{"errorless":"4Jq8Zr2Lw0"}
HTTP/4Jq8Zr2Lw0
jo:<4Jq8></Zr2>
<4Jq8></Zr2Lw0>
"##,
    ),
    (
        Spreadsheet,
        r##"
1.23457E+19
1,23457E+19
4.4E+15
1.2345678901234568e+21
1.23457E19
4E+15
-1.2E+10
12345678901234567000.0
#REF!
#N/A
#VALUE!
="4Jq8Zr2Lw0"
=CONCAT(A1)
"##,
        r##"
12345678901234567890
1.23457E+1900
12345678e123
1E4Jq8Zr2Lw0
4Jq8.0Zr2Lw0
10.0.0.1
12345678.90
=4Jq8Zr2Lw0
#4Jq8Zr2Lw0!
1.2.3E+4
"##,
    ),
    (
        Encrypted,
        r##"
$ANSIBLE_VAULT;1.1;AES256⏎3034
!vault |⏎$ANSIBLE_VAULT;1.1;AES256
ENC(4Jq8Zr2Lw0)
![4Jq8Zr2Lw0==]
{AQAAABAAAAAQ4Jq8Zr2Lw0}
k8s:enc:aescbc:v1:key1:4Jq8
age-encryption.org/v1⏎-> X25519
YWdlLWVuY3J5cHRpb24ub3JnL3Yx
LS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0t
Z0FBQUFBQmxrWGtBQUFFQ0F3UUZCZ2M=
01000000d08c9ddf0115d1118c7a00c04fc297eb
AQAAANCMnd8BFdERjHoAwE/Cl+sB
76492d1116743f0423413b16050a5345MgB8AD
gAAAAABlZ0d5c2stY2FuYXJ5LTEyMzQ1Njc4OTA0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA=
gAAAAABlkXkAAAECAwQFBgcICQoLDA0OD6qqqqqq
"##,
        r##"
gAAAAABlkXkAAAECAwQFBgcICQoLDA0OD
gAAAAABlkXkAAAECAwQFBgcICQoL/DA0OD6qqqqqq
AgBy4Jq8Zr2Lw04Jq8Zr2Lw0
![4Jq8Zr2Lw0
"##,
    ),
];

#[test]
fn what_programs_leave_is_found_and_what_looks_like_it_is_not() {
    let (mut found, mut left) = (0, 0);
    for (kind, with, without) in ROWS {
        let texts = |lines: &str| -> Vec<String> {
            lines.lines().skip(1).map(|line| line.replace('⏎', "\n")).collect()
        };
        // The numbers of the lines, since no test shows a text.
        let lines = |texts: Vec<String>, are_found: bool| -> Vec<usize> {
            let is_as_expected = |text: &str| of(text).contains(&kind) == are_found;
            (1..).zip(texts).filter(|(_, text)| !is_as_expected(text)).map(|(n, _)| n).collect()
        };
        let (missed, wrong) = (lines(texts(with), true), lines(texts(without), false));
        assert_eq!((missed, wrong), (vec![], vec![]), "{kind:?}: missed, and found without it");
        found += texts(with).len();
        left += texts(without).len();
    }
    assert!(found >= 111 && left >= 49, "{found}, {left}");
}

/// The item of a SealedSecret is too long for the table.
#[test]
fn a_sealed_secret_is_encrypted() {
    for seed in 0..20 {
        let item = |start, length| of(format!("{start}{}", Dice(seed).text(length, BASE64)));
        assert_eq!(item("AgBy", 716), [Encrypted]);
        assert_eq!(item("AgBy", 316), []);
        assert_eq!(item("AgEI", 716), []);
    }
}
