#!/bin/bash
# Whether the node answers: asks which versions of the protocol it speaks (ApiVersions, version 0), as
# every client does first, and waits for the length of the answer.
exec 3<>/dev/tcp/127.0.0.1/9092
printf '\0\0\0\012\0\022\0\0\0\0\0\001\377\377' >&3
[ "$(head -c 4 <&3 | wc -c)" -eq 4 ]
