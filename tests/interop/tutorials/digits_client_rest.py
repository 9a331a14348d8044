"""Sends a batch of handwritten digits to the model, to one version of it and to a label: digits_client_rest.py http://HOST:PORT"""
import json
import sys

import numpy as np
import requests
from sklearn import datasets

digits = datasets.load_digits()
images, labels = digits.data[-20:], digits.target[-20:]
data = json.dumps({"signature_name": "predict_images", "instances": images.tolist()})
headers = {"content-type": "application/json"}
for model in ("digits", "digits/versions/1", "digits/labels/stable"):
    response = requests.post(f"{sys.argv[1]}/v1/models/{model}:predict", data=data, headers=headers)
    response.raise_for_status()
    predictions = json.loads(response.text)["predictions"]
    read = [int(np.argmax(scores)) for scores in predictions]
    print(f"{model}: {sum(read == labels)} of {len(labels)} right")
