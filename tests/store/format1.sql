BEGIN TRANSACTION;
CREATE TABLE baseline (
	name VARCHAR NOT NULL, 
	scores JSON NOT NULL, 
	seconds DOUBLE NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "baseline" VALUES('linear','{"validation": {"accuracy": 0.9736263736263736, "balanced_accuracy": 0.9682662538699688, "log_loss": 0.09396778854390885, "roc_auc": 0.9902579979360165, "f1": 0.9640718562874252}, "test": {"accuracy": 0.9736842105263158, "balanced_accuracy": 0.9692460317460316, "log_loss": 0.0921609262886363, "roc_auc": 0.9933862433862434, "f1": 0.963855421686747}}',2.54962222999893128871e-01);
INSERT INTO "baseline" VALUES('gradient_boosting','{"validation": {"accuracy": 0.9538461538461539, "balanced_accuracy": 0.9489164086687304, "log_loss": 0.13400954253784858, "roc_auc": 0.9897832817337461, "f1": 0.9376854599406528}, "test": {"accuracy": 0.9649122807017544, "balanced_accuracy": 0.9623015873015871, "log_loss": 0.12593695843175623, "roc_auc": 0.9900793650793651, "f1": 0.9523809523809523}}',1.08201501300209201872e+00);
CREATE TABLE rung (
	trial INTEGER NOT NULL, 
	rung INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	share DOUBLE NOT NULL, 
	score DOUBLE, 
	seconds DOUBLE NOT NULL, 
	PRIMARY KEY (trial, rung), 
	FOREIGN KEY(trial) REFERENCES trial (number)
);
INSERT INTO "rung" VALUES(0,0,10,1.11111111111111104943e-01,8.28540722667596152284e-01,7.43525338002655189484e-01);
INSERT INTO "rung" VALUES(0,1,29,3.33333333333333314829e-01,9.69211107238294289345e-01,2.52299899948411621153e-02);
INSERT INTO "rung" VALUES(0,2,86,1.0,9.82412571163006842489e-01,2.03146989952074363827e-02);
INSERT INTO "rung" VALUES(1,0,27,1.11111111111111104943e-01,9.71433135819681603528e-01,9.99739800026873126626e-02);
INSERT INTO "rung" VALUES(1,1,79,3.33333333333333314829e-01,0.967047170907401,1.69522420997964218258e-01);
INSERT INTO "rung" VALUES(1,2,237,1.0,9.780411293133496331e-01,0.455368939001346);
INSERT INTO "rung" VALUES(2,0,10,1.11111111111111104943e-01,9.64810619263390290001e-01,1.15944705250512924976e-01);
INSERT INTO "rung" VALUES(3,0,10,1.11111111111111104943e-01,9.62646682932496777773e-01,1.15944705250512924976e-01);
INSERT INTO "rung" VALUES(4,0,10,1.11111111111111104943e-01,9.75790054606715528962e-01,1.15944705250512924976e-01);
INSERT INTO "rung" VALUES(5,0,10,1.11111111111111104943e-01,9.60453700476356586612e-01,1.15944705250512924976e-01);
INSERT INTO "rung" VALUES(4,1,29,3.33333333333333314829e-01,9.60468223538979870568e-01,2.40758407999237533658e-01);
CREATE TABLE study (
	id INTEGER NOT NULL, 
	format INTEGER NOT NULL, 
	version VARCHAR NOT NULL, 
	settings JSON NOT NULL, 
	"plan" JSON, 
	spent_s FLOAT NOT NULL, 
	finished BOOLEAN NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "study" VALUES(1,1,'0.1.0','{"source": "breast_cancer", "target": "target", "task": "auto", "metric": "accuracy", "budget_s": 120.0, "test": 0.2, "cv": "3", "recipe": "[data.minibatch]\nbatch_size = 32\nepochs = 9\norder = \"shuffled\"\n\n[data.standard]\n\n[network.mlp]\nwidth = 8\ndepth = 1\n\n[network.embedding]\ndim = 8\n\n[network.relu]\n\n[network.kaiming]\n\n[update.adam]\nlr = 0.01\nbeta1 = 0.9\nbeta2 = 0.999\neps = 1e-08\n\n[update.constant]\n", "space": "# What usually matters for tables, around the default recipe.\n\nbase = \"default\"\n\n[choose]\nscaling = [\"robust\", \"robust\", \"standard\", \"quantile\"]\narchitecture = [\"mlp\", \"mlp\", \"resnet\"]\nnumbers = [\"none\", \"periodic\", \"periodic\", \"piecewise_linear\"]\nnormalization = [\"none\", \"batch_norm\", \"batch_norm\", \"layer_norm\"]\nactivation = [\"relu\", \"gelu\", \"mish\"]\nschedule = [\"cosine\", \"flat_cosine\"]\n\n[vary]\n\"network.mlp.width\" = [96, 128, 192, 256]\n\"network.mlp.depth\" = [2, 3, 4]\n\"network.resnet.width\" = [96, 128, 192]\n\"network.resnet.blocks\" = [1, 2, 3]\n\"network.periodic.sigma\" = { low = 0.05, high = 0.5 }\n\"network.periodic.dim\" = [4, 8]\n\"network.piecewise_linear.dim\" = [4, 8]\n\"network.embedding.dim\" = [4, 8, 16]\n\"network.dropout.rate\" = { high = 0.5, off = 0.15 }\n\"data.minibatch.batch_size\" = [128, 256]\n\"loss.label_smoothing.eps\" = { off = 0.4 }\n\"augment.mixup.alpha\" = { off = 0.7 }\n\"augment.input_noise.std\" = { off = 0.6 }\n\"update.adam.lr\" = { low = 1e-3, high = 2e-2 }\n\"update.decay.weight_decay\" = { low = 1e-3, high = 4.0, off = 0.1 }\n\"update.warmup.share\" = { off = 0.5 }\n\"update.flat_cosine.flat\" = {}\n\"average.ema.decay\" = { off = 0.2 }\n", "seed": 0, "workers": 0, "device": "cpu", "trials": 6, "keep_all": false, "refit": false, "start_from": "", "ensemble": true, "precision": "auto", "search": "random"}','{"epochs_share": 1.0, "trial_seconds": 0.0958119722257834, "step_seconds": 0.001114092700299807, "precision": "float32"}',1.72688112258911132812e+01,1);
CREATE TABLE trial (
	number INTEGER NOT NULL, 
	cohort INTEGER NOT NULL, 
	source VARCHAR(20) NOT NULL, 
	recipe VARCHAR NOT NULL, 
	hash VARCHAR(12) NOT NULL, 
	status VARCHAR(10) NOT NULL, 
	reason VARCHAR, 
	diverged INTEGER NOT NULL, 
	PRIMARY KEY (number)
);
INSERT INTO "trial" VALUES(0,0,'default','[data.minibatch]
batch_size = 32
epochs = 9
order = "shuffled"

[data.standard]

[network.mlp]
width = 8
depth = 1

[network.embedding]
dim = 8

[network.relu]

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.01
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.constant]
','61ea2f1f0bb7','finished',NULL,0);
INSERT INTO "trial" VALUES(1,1,'plain','[data.minibatch]
batch_size = 128
epochs = 100
order = "shuffled"

[data.standard]

[network.mlp]
width = 128
depth = 2

[network.embedding]
dim = 8

[network.relu]

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.001
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.constant]
','7240589275e6','finished',NULL,0);
INSERT INTO "trial" VALUES(2,2,'random','[data.minibatch]
batch_size = 32
epochs = 9
order = "shuffled"

[data.standard]

[network.resnet]
width = 128
blocks = 1
expansion = 2.0
branches = 1

[network.embedding]
dim = 8

[network.relu]

[network.dropout]
rate = 0.429

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.0103
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.constant]
','04b09ba05f20','dropped',NULL,0);
INSERT INTO "trial" VALUES(3,2,'random','[data.minibatch]
batch_size = 32
epochs = 9
order = "shuffled"

[data.standard]

[network.resnet]
width = 128
blocks = 1
expansion = 2.0
branches = 1

[network.embedding]
dim = 8

[network.relu]

[network.dropout]
rate = 0.216

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.01
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.constant]

[update.warmup]
share = 0.166
','034b11173752','dropped',NULL,0);
INSERT INTO "trial" VALUES(4,2,'random','[data.minibatch]
batch_size = 32
epochs = 9
order = "shuffled"

[data.standard]

[augment.mixup]
alpha = 0.0704

[network.resnet]
width = 128
blocks = 1
expansion = 2.0
branches = 1

[network.embedding]
dim = 8

[network.relu]

[network.dropout]
rate = 0.213

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.0168
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.decay]
weight_decay = 0.0061

[update.constant]

[update.warmup]
share = 0.162
','88eff869fa0b','dropped',NULL,0);
INSERT INTO "trial" VALUES(5,2,'random','[data.minibatch]
batch_size = 32
epochs = 9
order = "shuffled"

[data.standard]

[network.resnet]
width = 128
blocks = 1
expansion = 2.0
branches = 1

[network.embedding]
dim = 8

[network.relu]

[network.kaiming]

[loss.cross_entropy]

[update.adam]
lr = 0.0169
beta1 = 0.9
beta2 = 0.999
eps = 1e-08

[update.flat_cosine]
flat = 0.5

[average.ema]
decay = 0.99834
','e6c82fd46c01','dropped',NULL,0);
CREATE INDEX ix_trial_cohort ON trial (cohort);
COMMIT;
