#!/bin/bash
# answers.sh PORT PATH: whether the server in this container answers PATH with 200, asked by bash alone,
# which its image has.
exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
printf 'GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n' "$2" >&3
read -r _ status _ <&3
[ "$status" = 200 ]
