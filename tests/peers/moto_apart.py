"""The same life as moto_peer.py, with KMS apart: AWS_ENDPOINT_URL_KMS names a second moto.
usage: moto_apart.py CMEK; the last line is the tally.
"""
import os
import peer

MOTO = [os.path.join(peer.PEERS, "bin", "moto_server"), "-H", "127.0.0.1", "-p", "PORT"]

if not peer.inside():
    with peer.Server(MOTO) as moto, peer.Server(MOTO) as kms:
        peer.enter("--only", "cloud", "--mixed", AWS_ENDPOINT_URL=moto.url, AWS_ENDPOINT_URL_KMS=kms.url, AWS_ACCESS_KEY_ID="AKIAMOTOMOTOMOTOMOTO",
                   AWS_SECRET_ACCESS_KEY="moto", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
                   AWS_EC2_METADATA_DISABLED="true")

import boto3

peer.equal("the KMS of the environment is another server", boto3.client("kms", region_name="us-east-1").meta.endpoint_url ==
           os.environ["AWS_ENDPOINT_URL"], False)
import moto_peer   # its sentences, and its tally
